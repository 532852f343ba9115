"""The programs that run on hosts, run for real on this machine: they look and change nothing."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploys._connector.causes import failure_of
from deploys._connector.connection import KILLED, Outcome
from deploys._ops.managed import ManagedFile
from deploys._ops.script import SCRIPTS, command


def answer(name: str, *arguments: Any) -> dict[str, Any]:
    """Run a program as a host does, through a shell and a heredoc."""
    done = subprocess.run(
        ["sh"], input=command(name, *arguments), capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def here(path: Path, content: str = "", **more: Any) -> ManagedFile:
    owner = pwd.getpwuid(os.getuid()).pw_name
    return ManagedFile("test", str(path), content, owner=owner, group=owner, **more)


def ask(*files: ManagedFile) -> dict[str, Any]:
    return answer("files", [[file.path, file.fingerprint, file.secret] for file in files])


def test_a_file_that_is_as_wanted_is_not_mentioned(tmp_path: Path) -> None:
    path = tmp_path / "it's a file"
    path.write_text("a\n")
    path.chmod(0o640)
    assert ask(here(path, "a\n", mode="0640")) == {}


@pytest.mark.parametrize("wanted", [{"content": "b\n"}, {"mode": "0600"}, {"kind": "absent"}])
def test_a_file_that_differs_is_shown(tmp_path: Path, wanted: dict[str, Any]) -> None:
    path = tmp_path / "file"
    path.write_text("a\n")
    path.chmod(0o644)
    (found,) = ask(here(path, **{"content": "a\n", **wanted})).values()
    assert found["content"] == "YQo="
    assert found["is"] == here(path, "a\n").fingerprint


def test_the_content_of_a_secret_file_never_leaves_the_host(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("marker")
    (found,) = ask(here(path, "other", secret=True)).values()
    assert found["content"] is None


def test_links_directories_and_nothing_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere")
    (tmp_path / "directory").mkdir(mode=0o700)
    right = (
        here(tmp_path / "link", kind="symlink", target="/nowhere"),
        here(tmp_path / "directory", kind="directory", mode="0700"),
        here(tmp_path / "nothing", kind="absent"),
        here(tmp_path / "link" / "below", kind="absent"),
    )
    assert ask(*right) == {}
    assert ask(here(tmp_path / "link", "x"))[str(tmp_path / "link")]["is"] == "symlink /nowhere"


def test_accounts_are_told_without_their_hashes() -> None:
    users = answer("accounts", ["root", "nobody"])["users"]
    assert users["root"]["uid"] == 0
    assert users["nobody"]["shell"] == pwd.getpwnam("nobody").pw_shell
    assert all(isinstance(seen["locked"], bool) for seen in users.values())
    assert "$" not in json.dumps(users)


def test_a_system_is_told_in_one_answer() -> None:
    asked = {
        "packages": ["coreutils", "no-such-package"],
        "units": [],
        "sysctls": {"net.ipv4.ip_forward": "no-such-value", "no.such.key": "1"},
        "swap": None,
    }
    found = answer("system", asked)
    assert found["packages"]["missing"] == ["no-such-package"]
    live = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()
    assert found["sysctls"]["net.ipv4.ip_forward"]["value"] == live
    assert found["sysctls"]["no.such.key"] == {"value": None, "settable": False}
    assert found["firewall_loaded"] is False


LISTEN = """#!{python}
import socket, sys
held = [socket.create_server((address, 0)) for address in ("0.0.0.0", "127.0.0.1")]
print(*(each.getsockname()[1] for each in held), flush=True)
sys.stdin.read()
"""
SOCKET = """#!/bin/sh
case "$*" in
*ssh.socket*) printf 'ActiveState=%s\\nListen=0.0.0.0:2222 (Stream)\\nListen=[::]:2223 (Stream)\\n';;
esac
"""
"""What systemctl 255 says of Ubuntu's socket unit."""


def test_ports_of_logins_are_sshds_own_but_not_what_a_session_forwards(tmp_path: Path) -> None:
    daemon = tmp_path / "sshd"
    daemon.write_text(LISTEN.format(python=sys.executable))
    daemon.chmod(0o755)
    with subprocess.Popen([daemon], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        outside, forwarded = map(int, running.stdout.readline().split())
        ports = answer("system", {"packages": [], "units": [], "sysctls": {}, "swap": None})["ssh_ports"]
        running.terminate()
    assert outside in ports
    assert forwarded not in ports


@pytest.mark.parametrize(("state", "ports"), [("active", {2222, 2223}), ("inactive", set())])
def test_ports_of_logins_are_the_socket_units_where_it_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, ports: set[int]
) -> None:
    (tmp_path / "systemctl").write_text(SOCKET.replace("%s", state))
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = answer("system", {"packages": [], "units": [], "sysctls": {}, "swap": None})["ssh_ports"]
    assert {2222, 2223} & set(found) == ports


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_no_program_can_end_its_heredoc_early(path: Path) -> None:
    assert "END-OF-SCRIPT" not in path.read_text()


HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_who_holds_a_lock_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        program = apt(tmp_path).replace("PATIENCE = 600", "PATIENCE = 1")
        done = subprocess.run(
            [sys.executable, "-c", program, "x"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert f"{path} has been held" in done.stderr
        assert f"(pid {holder.pid})" in done.stderr
    finally:
        holder.kill()
        holder.wait()


def apt(top: Path) -> str:
    """Return the installer, turned to a directory of ours: its locks, its policy and its commands."""
    text = (SCRIPTS / "apt_install.py").read_text()
    text = text.replace(
        '"/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"', f'"{top}/lock",'
    )
    text = text.replace('POLICY = "/usr/sbin/policy-rc.d"', f'POLICY = "{top}/policy-rc.d"')
    return text.replace('"PATH": "', f'"PATH": "{top}/bin:')


def fake_apt(top: Path, script: str) -> None:
    (top / "bin").mkdir()
    (top / "bin" / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (top / "bin" / "apt-get").chmod(0o755)


@pytest.mark.parametrize("code", [0, 1])
def test_services_are_kept_from_starting_only_while_packages_are_installed(tmp_path: Path, code: int) -> None:
    fake_apt(tmp_path, f"{tmp_path}/policy-rc.d; echo $? > {tmp_path}/said; echo broken >&2; exit {code}")
    done = subprocess.run(
        [sys.executable, "-c", apt(tmp_path), "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert (tmp_path / "said").read_text() == "101\n"
    assert not (tmp_path / "policy-rc.d").exists()
    if code:
        assert "apt-get --yes failed: broken" in done.stderr


@pytest.mark.parametrize(
    ("script", "sentence", "remedy"),
    [
        (
            "echo 'dpkg: error: failed to write: No space left on device' >&2; seq 9 >&2; exit 100",
            r"The disk was full before all packages were installed: /\w* has \d+ MB free\.",
            "apt-get clean",
        ),
        ("kill -9 $$", r"apt-get was killed by signal 9 before all packages", "dpkg --configure -a"),
        (
            "echo 'E: Sub-process /usr/bin/dpkg received signal 9.' >&2; exit 100",
            r"dpkg was killed by signal 9 before all packages",
            "dpkg --configure -a",
        ),
        (
            "echo 'E: Sub-process /usr/bin/dpkg received a segmentation fault.' >&2; exit 100",
            r"dpkg was killed by signal 11 before all packages",
            "dpkg --configure -a",
        ),
        ("echo 'E: no candidate' >&2; exit 100", r"apt-get ended with 100, and not all", "apt-get update"),
    ],
    ids=["disk", "apt-get", "dpkg", "dpkg-by-itself", "other"],
)
def test_an_installation_that_fails_ends_with_a_sentence_and_what_to_do(
    tmp_path: Path, script: str, sentence: str, remedy: str
) -> None:
    fake_apt(tmp_path, script)
    done = subprocess.run(
        [sys.executable, "-c", apt(tmp_path), "x"], capture_output=True, text=True, check=False
    )
    failure = failure_of(Outcome(done.returncode, done.stdout.encode(), done.stderr.encode()))
    assert re.match(sentence, failure.sentence)
    assert remedy in failure.remedy
    assert failure.output.startswith("apt-get --yes failed: ")
    assert failure.sentence not in failure.output


def test_a_full_disk_and_a_signal_are_named_whoever_meets_them_and_other_words_are_kept() -> None:
    full = failure_of(Outcome(1, b"", b"cat: write error: No space left on device\n"))
    assert (full.sentence, full.output) == (
        "A disk of the host is full.", "cat: write error: No space left on device",
    )  # fmt: skip
    assert "apt-get clean" in full.remedy
    killed = failure_of(Outcome(143, b"", b"Terminated\n"))
    assert killed.sentence == "A command was killed by signal 15."
    assert failure_of(Outcome(KILLED, b"", b"")).sentence == "A command was killed."
    other = failure_of(Outcome(7, b"", b"no luck\n"))
    assert (other.sentence, other.output) == ("A command failed with exit code 7.", "no luck")


def test_a_killed_installation_leaves_a_policy_that_allows_starts_again(tmp_path: Path) -> None:
    fake_apt(tmp_path, f"touch {tmp_path}/running; exec sleep 60")
    running = subprocess.Popen([sys.executable, "-c", apt(tmp_path), "x"], start_new_session=True)
    try:
        until = time.monotonic() + 20
        while not (tmp_path / "running").exists() and time.monotonic() < until:
            time.sleep(0.05)
        policy = str(tmp_path / "policy-rc.d")
        assert subprocess.run([policy], check=False).returncode == 101
    finally:
        os.killpg(running.pid, 9)
        running.wait()
    assert subprocess.run([policy], check=False).returncode == 0


def test_somebody_elses_policy_is_left_as_it_is(tmp_path: Path) -> None:
    fake_apt(tmp_path, "exit 0")
    (tmp_path / "policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    subprocess.run([sys.executable, "-c", apt(tmp_path), "x"], check=True)
    assert (tmp_path / "policy-rc.d").read_text() == "#!/bin/sh\nexit 101\n"
