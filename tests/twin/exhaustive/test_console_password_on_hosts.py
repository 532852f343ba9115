"""A console password on real hosts: it opens the console and nothing else, and stands in shadow alone."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.engine import Engine, Event, StepEvent
from twin.enter import enter_argv
from twin.result import Result
from twin.twin import Twin

TWIN = "pair"

HERE = Path(__file__).resolve().parents[1]
NAME, PASSWORD, OTHER = "console_password", "correct-horse-4711-staple", "wrong-donkey-0815-pin-board"
HOSTS = pytest.mark.parametrize("host", ["edge1", "edge2"])
STEP = "users: password of deploy"
SEEN = "/root/seen-at-chpasswd"
WATCHER = f"""#!/bin/sh
umask 077
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >> {SEEN} 2>/dev/null
exec /usr/sbin/chpasswd "$@"
"""
"""Stands before the real chpasswd on PATH, and keeps what any process list shows in that moment."""
OVER_SSH = """
import paramiko, sys

transport = paramiko.Transport((sys.argv[1], 22))
transport.start_client(timeout=20)
try:
    print("let in", transport.auth_password("deploy", sys.stdin.readline().strip()))
except paramiko.BadAuthenticationType as error:
    print("only", *error.allowed_types)
finally:
    transport.close()
"""
SEARCH = """
find / /run /tmp /dev/shm -xdev -type f -size -64M ! -path '/proc/*' ! -path '/sys/*' \
  ! -path /root/marks -exec grep -lFaf /root/marks {} + | sort -u
echo in the journal: $(journalctl --all -o export | grep -cFaf /root/marks)
"""


@pytest.fixture(scope="module")
def lab_twin(twin: Twin) -> Iterator[Twin]:
    """The twin as delivered, with a watcher before chpasswd, and the way to this directory for the engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        twin.restore("bare")
        for host in ("edge1", "edge2"):
            twin.write(host, "/usr/local/sbin/chpasswd", WATCHER, 0o755)
            twin.write(host, "/root/console.py", (HERE / "console.py").read_text(), 0o600)
        yield twin


@pytest.fixture
def home(lab_twin: Twin) -> Twin:
    """The twin with the declared password, whatever a test did before."""
    deploy(lab_twin)
    return lab_twin


def deploy(twin: Twin, password: str = PASSWORD, what: str = "declared") -> tuple[list[str], str]:
    """Deploy accounts and sshd; return the steps that changed something, and all that was told of it."""
    told: list[Event] = []
    changed = []
    with Engine(twin.environment, twin.name, told.append, debug=True) as engine:
        states = engine.open(["edge1", "edge2"], secrets={NAME: password}, deploy=f"console_site:{what}")
        assert {state.state for state in states} == {"connected"}, states
        engine.lock("a test", "me")
        engine.plan()
        for event in engine.apply(["edge1", "edge2"]):
            if isinstance(event, StepEvent) and event.status == "changed":
                changed.append(f"{event.host} {event.step}")
    return sorted(changed), repr(told)


def at_console(twin: Twin, host: str, password: str) -> str:
    """Log in as on the provider's console; return what the terminal shows."""
    return done(twin.run(host, "python3 -I /root/console.py deploy", f"{password}\n"))


def by_su(twin: Twin, host: str, password: str) -> Result:
    """Become the deploy user from an account that may do nothing."""
    return twin.run(host, "runuser -u nobody -- su deploy -c 'id -un'", f"{password}\n")


def status(twin: Twin, host: str, account: str = "deploy") -> str:
    """Return the state of a password in passwd(1)'s letters: P usable, L locked."""
    return done(twin.run(host, f"passwd --status {account}")).split()[1]


def done(result: Result) -> str:
    """Return what a command printed; it must have succeeded."""
    assert result.returncode == 0, result.stdout + result.stderr
    return str(result.stdout)


@HOSTS
def test_the_password_opens_the_console_and_sudo_is_as_declared(home: Twin, host: str) -> None:
    assert "I am deploy, sudo makes me root" in at_console(home, host, PASSWORD)
    assert "I am" not in at_console(home, host, OTHER).replace("echo I am", "")


@HOSTS
def test_pam_takes_the_password_from_an_unprivileged_account_and_no_other(home: Twin, host: str) -> None:
    assert done(by_su(home, host, PASSWORD)).strip() == "deploy"
    assert by_su(home, host, OTHER).returncode == 1


@HOSTS
def test_ssh_does_not_even_ask_for_it(home: Twin, host: str) -> None:
    address = str(home.environment.host(host).address.ip)
    argv = [*enter_argv(home.name, "controller"), sys.executable, "-c", OVER_SSH, address]
    said = subprocess.run(argv, input=f"{PASSWORD}\n", capture_output=True, text=True, check=True).stdout
    assert said.strip() == "only publickey"


def test_only_the_declared_account_has_one(home: Twin) -> None:
    assert [status(home, host) for host in ("edge1", "edge2")] == ["P", "P"]
    assert status(home, "edge1", "alice") == "L"


def test_two_hosts_with_one_password_have_neither_salt_nor_hash_in_common(home: Twin) -> None:
    fields = [done(home.run(host, "getent shadow deploy")).split(":")[1] for host in ("edge1", "edge2")]
    assert [field[:7] for field in fields] == ["$y$j9T$", "$y$j9T$"]
    assert len({field.split("$")[3] for field in fields}) == 2


def test_a_second_deploy_does_nothing(home: Twin) -> None:
    before = done(home.run("edge1", "stat -c '%y %i' /etc/shadow"))
    assert deploy(home)[0] == []
    assert done(home.run("edge1", "stat -c '%y %i' /etc/shadow")) == before


def test_a_rotated_password_opens_and_the_old_one_does_not(home: Twin) -> None:
    assert deploy(home, OTHER)[0] == [f"edge1 {STEP}", f"edge2 {STEP}"]
    assert done(by_su(home, "edge1", OTHER)).strip() == "deploy"
    assert by_su(home, "edge1", PASSWORD).returncode == 1


def test_a_password_changed_or_locked_by_hand_is_set_again(home: Twin) -> None:
    done(home.run("edge1", "/usr/sbin/chpasswd", f"deploy:{OTHER}\n"))
    done(home.run("edge2", "passwd --quiet --lock deploy"))
    assert deploy(home)[0] == [f"edge1 {STEP}", f"edge2 {STEP}"]
    assert [by_su(home, host, PASSWORD).returncode for host in ("edge1", "edge2")] == [0, 0]


def test_a_password_that_is_no_longer_declared_is_locked(home: Twin) -> None:
    assert deploy(home, what="undeclared")[0] == [
        "edge1 users: account deploy",
        "edge2 users: account deploy",
    ]
    assert status(home, "edge1") == "L"
    assert by_su(home, "edge1", PASSWORD).returncode == 1
    assert done(home.run("edge1", "getent shadow deploy")).split(":")[1] == "*"


@HOSTS
def test_neither_value_nor_hash_stand_anywhere_but_in_shadow(
    home: Twin, host: str, capfd: pytest.CaptureFixture[str]
) -> None:
    deploy(home, OTHER)
    told = deploy(home)[1] + "".join(capfd.readouterr())
    assert "chpasswd" in told or STEP in told
    value_hash = done(home.run(host, "getent shadow deploy")).split(":")[1]
    marks = [
        PASSWORD,
        OTHER,
        value_hash,
        value_hash.split("$")[4],
        base64.b64encode(PASSWORD.encode()).decode(),
    ]
    home.write(host, "/root/marks", "".join(f"{mark}\n" for mark in marks), 0o600)
    found = done(home.run(host, SEARCH, timeout=240)).splitlines()
    assert found == ["/etc/shadow", "in the journal: 0"]
    modes = done(home.run(host, "stat -c %a /etc/shadow /etc/shadow-")).split()
    assert all(int(mode, 8) & 0o007 == 0 for mode in modes)
    seen = home.run(host, f"cat {SEEN}").stdout
    assert "chpasswd\0--encrypted" in seen
    for mark in marks:
        assert mark not in seen
        assert mark not in told
        assert json.dumps(mark) not in told
