"""The lab's two plain hosts: what moves, what goes, what breaks off, what is refused, and who is shut out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
from sampled import proven, sample

from prove import release
from prove.row import Row
from prove.stage import Login, Stage
from prove.tree import Edit

ERRORS = 4
"""How many rows of that table."""


@pytest.fixture(scope="module")
def small() -> Iterator[Stage]:
    """A twin of the lab's two plain hosts, for rows about the engine."""
    stage = Stage(f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-small", print, release.PAIR)
    stage.erase()
    yield stage
    stage.erase()


def test_every_check_holds_the_disruptive_ones_too(small: Stage) -> None:
    small.healthy()
    small.verify("--disruptive").holds()


KNOCK = """
import socket, sys, time
end = time.monotonic() + 600
while time.monotonic() < end:
    said = []
    for port in (22, 2222):
        state = "shut"
        for _ in range(4):
            try:
                socket.create_connection((sys.argv[1], port), timeout=1.5).close()
                state = "open"
                break
            except ConnectionRefusedError:
                time.sleep(0.2)
            except OSError:
                break
        said.append(state)
    print(*said, flush=True)
    time.sleep(0.05)
"""
"""A lost SYN is sent again after a second, a refused one here: shut is shut for a while."""


PORT = 2222
GUEST = "carol"
TIMER = "dpkg-db-backup.timer"
"""A unit that a package brings: it cannot be taken away, only masked."""
SEEN = {
    "setting": "sysctl -n net.ipv4.tcp_keepalive_time",
    "package's unit": f"systemctl is-enabled {TIMER}; systemctl is-active {TIMER}",
    "our unit and file": "ls /etc/systemd/system/swapfile.swap /swapfile",
    "shell, password, expiry": f"getent passwd {GUEST} | cut -d: -f7; getent shadow {GUEST} | cut -d: -f2,8",
    "keys": f"ls /home/{GUEST}/.ssh",
    "home": f"stat -c %U /home/{GUEST}; cat /home/{GUEST}/mine",
}
"""By what it tells: a script."""
DECLARED = {
    "setting": "600",
    "package's unit": "enabled active",
    "our unit and file": "/etc/systemd/system/swapfile.swap /swapfile",
    "shell, password, expiry": "/bin/bash *:",
    "keys": "authorized_keys",
    "home": f"{GUEST} kept",
}
UNDECLARED = {
    "setting": "7200",
    "package's unit": "masked inactive",
    "our unit and file": "",
    "shell, password, expiry": "/usr/sbin/nologin !*:1",
    "keys": "",
    "home": f"{GUEST} kept",
}


def more(key: Path) -> tuple[Edit, ...]:
    """Declare on the host a guest with a key, a swap file, and a package's unit as the time service's."""
    public = key.with_suffix(".pub").read_text().strip()
    lab = f"""
before = environment.host({release.HOST!r})
guest = User(name={GUEST!r}, keys=({public!r},))
users = before.users.model_copy(update={{"accounts": (*before.users.accounts, guest)}})
after = before.model_copy(update={{"users": users, "swap": Swap(size_mb=64)}})
environment = environment.model_copy(
    update={{"hosts": tuple(after if each is before else each for each in environment.hosts)}}
)
hosts = environment.inventory()
"""
    units = '"time": ("chrony.service",),'
    return (
        ("inventories/lab.py", "", lab),
        ("inventories/model/release.py", units, units.replace(",),", f', "{TIMER}"),')),
    )


@dataclass(frozen=True)
class Moved:
    """A host whose SSH moved to another port, which got more than the lab has in the same deploy."""

    moments: list[str]
    """What stood open on the old port and the new one, one after the other."""
    todo: list[str]
    """What a deploy right after it would still do."""
    guest: Login


@pytest.fixture(scope="module")
def moved(small: Stage, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    """The one deploy that brings all that the tests below see come and go."""
    key = tmp_path_factory.mktemp("guest") / "id_ed25519"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{GUEST}@lab.example", "-f", str(key)]
    subprocess.run(made, check=True)
    small.healthy()
    where = str(small.environment.host(release.HOST).address.ip)
    with small.copy([release.values(ssh={"port": PORT}), *more(key)]) as top:
        watch = small.twin.spawn(
            "controller", [sys.executable, "-c", KNOCK, where], stdout=subprocess.PIPE, text=True
        )
        try:
            small.deploy("--limit", release.HOST, top=top).expect(0)
        finally:
            watch.terminate()
            seen = [line.split() for line in watch.communicate(timeout=10)[0].splitlines()]
        todo = [step for step in small.planned(top=top) if step.startswith(release.HOST)]
    return Moved([" ".join(moment) for moment, _ in groupby(seen)], todo, Login(GUEST, key, PORT))


def test_ssh_moves_to_another_port_without_a_moment_in_which_both_are_shut(moved: Moved) -> None:
    assert moved.moments == ["open shut", "open open", "shut open"]
    assert not moved.todo


def test_what_is_no_longer_declared_goes_and_its_user_is_refused_and_keeps_the_home(
    small: Stage, moved: Moved
) -> None:
    def seen() -> dict[str, str]:
        said = {
            what: small.sh(release.HOST, f"{{ {look}; }} 2>/dev/null || true") for what, look in SEEN.items()
        }
        return {what: " ".join(words.split()) for what, words in said.items()}

    entered = small.ssh(release.HOST, "echo kept > mine; id -un", login=moved.guest)
    assert entered.stdout == f"{GUEST}\n", entered.output
    assert seen() == DECLARED
    with small.copy([release.values(ssh={"port": PORT}, sysctl={"settings": {}})]) as top:
        small.deploy("--limit", release.HOST, top=top).expect(0)
        assert not [step for step in small.planned(top=top) if step.startswith(release.HOST)]
    assert seen() == UNDECLARED
    refused = small.ssh(release.HOST, "id -un", login=moved.guest)
    assert (refused.code, refused.stdout) == (255, "")
    assert "Permission denied (publickey)" in refused.stderr


@pytest.mark.parametrize("row", sample("lockouts", 1), ids=lambda row: row.id)
def test_a_host_that_locked_us_out_returns(row: Row, small: Stage) -> None:
    proven(row, small)


@pytest.mark.parametrize("row", sample("kills", 1), ids=lambda row: row.id)
def test_a_deploy_that_broke_off_is_ended_by_the_next(row: Row, small: Stage) -> None:
    proven(row, small)


@pytest.mark.parametrize("row", sample("errors", ERRORS), ids=lambda row: row.id)
def test_an_error_is_one_sentence_with_what_to_do(row: Row, small: Stage) -> None:
    proven(row, small)
