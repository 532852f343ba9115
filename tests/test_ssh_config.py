"""What ssh_config says of a host with several names, and that it says the same to OpenSSH of one name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from control import ssh_config
from control.errors import TrunklineError
from control.ssh_config import Said, filled, said_of, said_of_host
from inventories.model import load

NAMES = ("web1.example.com", "198.51.100.21", "web1")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, in a home of its own, and no other."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    own = tmp_path / ".ssh/config"
    monkeypatch.setattr(ssh_config, "files", lambda: (own, tmp_path / "system/ssh_config"))
    return own


def said(config: Path, text: str, *names: str) -> Said:
    """Return what a file says."""
    config.write_text(text)
    return said_of(*(names or NAMES))


def test_without_a_file_nothing_is_said(config: Path) -> None:
    assert said_of(*NAMES) == Said()


@pytest.mark.parametrize("name", [*NAMES, "web*", "*.example.com", "198.51.100.*", "other web?"])
def test_an_entry_holds_under_any_name_of_the_host(config: Path, name: str) -> None:
    found = said(config, f"Host {name}\n  ProxyJump bastion\nHost *\n  User alice\n")
    assert (found.jumps, found.user) == (("bastion",), "alice")


def test_an_entry_that_excludes_any_name_of_the_host_does_not_hold(config: Path) -> None:
    assert said(config, "Host * !web1\n  User alice\n") == Said()
    assert said(config, "Host web1 !198.51.100.*\n  User alice\n") == Said()


def test_the_first_value_holds_under_whichever_name_it_stands(config: Path) -> None:
    text = "Host {0}\n  Port 1\nHost {1}\n  Port 2\n  User alice\n"
    assert said(config, text.format("web1", "*.example.com")).port == 1
    found = said(config, text.format("*.example.com", "web1"))
    assert (found.port, found.user) == (1, "alice")


def test_the_users_own_file_goes_before_the_systems(config: Path) -> None:
    system = ssh_config.files()[1]
    system.parent.mkdir()
    system.write_text("Include more/*.conf\nUser bob\nPort 9\n")
    (system.parent / "more").mkdir()
    (system.parent / "more/one.conf").write_text("Host web1\n  HostName 192.0.2.9\n")
    found = said(config, "User alice\n")
    assert (found.user, found.port, found.hostname) == ("alice", 9, "192.0.2.9")


def test_an_included_file_belongs_to_the_entry_that_includes_it(config: Path) -> None:
    (config.parent / "one").write_text("User alice\nHost web1\n  Port 1\n")
    assert said(config, "Host other\n  Include one\n") == Said()
    found = said(config, "Host web1\n  Include one\n  IdentitiesOnly yes\n")
    assert (found.user, found.port, found.only_these) == ("alice", 1, True)


def test_of_jump_host_and_proxy_command_the_first_holds(config: Path) -> None:
    jump, command, none = "ProxyJump a,b\n", "ProxyCommand nc %h %p\n", "ProxyCommand none\n"
    assert said(config, jump + command).proxy == ("proxyjump", "a,b")
    assert said(config, command + jump).command == "nc %h %p"
    assert said(config, none + jump).through == ""
    assert said(config, jump).through == "the jump host b"


def test_another_host_name_replaces_the_address_but_one_of_its_own_does_not(config: Path) -> None:
    assert said(config, "Host web1\n  HostName 10.0.0.5\n").hostname == "10.0.0.5"
    assert said(config, "Host web1\n  HostName %h.example.com\n").hostname == ""
    assert said(config, "Host web1\n  HostName %h.internal\n").hostname == "web1.internal"


def test_a_proxy_command_is_told_the_name_that_it_stands_under(config: Path) -> None:
    text = "Host *.example.com\n  ProxyCommand there --hostname %h\n"
    assert said(config, text).hostname == "web1.example.com"
    assert said(config, "HostName 10.0.0.5\n" + text).hostname == "10.0.0.5"


def test_tokens_are_filled_in(config: Path) -> None:
    assert filled("to %h:%p as %r, %n, 100%%, %x", "a", 22, "u", "n") == "to a:22 as u, n, 100%, %x"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [("all", True), ("host 198.51.100.21", True), ("originalhost web1", True), ("host other", False),
     ("!host web*", False), ('exec "test %n = web1.example.com"', True), ('host web1 exec "false"', False),
     ("localuser nobody", False), ("host web1 !localuser nobody", True), ("version 9", False)],
)  # fmt: skip
def test_a_match_holds_when_all_its_conditions_do(config: Path, condition: str, holds: bool) -> None:
    assert bool(said(config, f"Match {condition}\n  User alice\n").user) == holds


def test_a_file_that_cannot_be_read_is_named_with_the_line(config: Path) -> None:
    with pytest.raises(TrunklineError, match="port many: invalid literal") as caught:
        said(config, "Port many\n")
    assert str(config) in caught.value.message


def test_of_a_host_in_a_twin_nothing_is_said(config: Path) -> None:
    config.write_text("User alice\n")
    lab = load("lab")
    assert said_of_host(lab, lab.hosts[0]) == Said()
    assert said_of_host(lab.model_copy(update={"in_twin": False}), lab.hosts[0]).user == "alice"


@pytest.mark.parametrize(
    "text",
    ["Host web1\n Port 2222\n User=alice\n",
     "Host web*, other\n Port 1\nHost *\n Port = 3 # three\n User bob\n",
     'Host "web1"\n HostName 10.0.0.5\n ProxyJump ann@b:2200\n ProxyCommand nc %h %p\n',
     "Host * !web1\n User alice\nHost !other web1\n ProxyCommand nc -X connect %h %p\n ProxyJump b\n",
     "Match originalhost web1\n User alice\nMatch host *.other\n Port 7\n"],
)  # fmt: skip
def test_openssh_reads_the_same_of_a_single_name(config: Path, text: str) -> None:
    found = said(config, f"{text}\nHost *\n Port 4\n User last\n", "web1")
    argv = ["ssh", "-G", "-F", str(config), "web1"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    its = dict(line.split(" ", 1) for line in told if " " in line)
    assert (its["user"], int(its["port"])) == (found.user, found.port)
    assert its["hostname"] == (found.hostname or "web1")
    assert (its.get("proxyjump", ""), its.get("proxycommand", "")) == (",".join(found.jumps), found.command)


def test_what_is_said_can_be_written_down_and_read_again(config: Path) -> None:
    text = 'ProxyJump a\nIdentityFile "~/my keys/one"\nIdentityFile %d/two\nIdentitiesOnly yes\n'
    found = said(config, text)
    assert found.keys == (config.parent.parent / "my keys/one", config.parent.parent / "two")
    assert said(config, "\n".join(found.lines())) == found
    assert said(config, "ProxyJump none").lines() == ["proxyjump none"]
