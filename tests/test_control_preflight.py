"""What stands in the way of a deploy, judged on a survey of this very machine with one thing changed."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from control import survey
from control.errors import TrunklineError
from control.preflight import SURVEY, Survey, _waited, judged
from control.progress import SilentBoard
from control.target import Target
from inventories.model import Peer, Secret, Strongswan, load

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    """What the survey says of this machine, made to look like a host of the laboratory."""
    ran = subprocess.run(
        [sys.executable, "-I", "-"], input=SURVEY.read_text(), capture_output=True, text=True, check=True
    )
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen | {
        "os": ["debian", "12"], "systemd": True, "manifest": False, "rules": 0, "keys": [], "listeners": [],
        "memory_mb": 1024, "free_mb": {"/": 9000, "/var": 9000}, "free_inodes": 500_000,
    }  # fmt: skip


def obstacles(seen: dict[str, Any], offset: float = 0.0, *, adopt: bool = False) -> list[str]:
    """The sentences that edge1 of the laboratory gets for a survey."""
    environment = load("lab")
    target = Target(environment, "lab", environment.hosts)
    host = environment.host("edge1")
    return [each.message for each in judged(Survey(seen, offset), host, target, adopt=adopt)]


def test_a_healthy_host_has_nothing_in_the_way(here: dict[str, Any]) -> None:
    assert obstacles(here) == []


PEER = Peer(
    name="hq",
    address=IPv4Address("192.0.2.150"),
    id="192.168.1.2",
    local=(IPv4Network("198.51.100.12/32"),),
    remote=(IPv4Network("192.168.150.0/24"),),
    psk=Secret(name="hq_psk"),
)
CASES: list[tuple[dict[str, Any], str]] = [
    ({"os": ["debian", "13"]}, "edge1: runs debian 13, the inventory says debian 12."),
    ({"os": ["", ""]}, "edge1: runs a system that does not say which it is, the inventory says debian 12."),
    ({"systemd": False}, "edge1: systemd does not run there."),
    ({"python": "3.9.2"}, "edge1: python3 is 3.9.2, 3.10 or later is needed."),
    ({"free_mb": {"/": 120, "/var": 9000}}, "edge1: / has 120 MB free, 500 are needed."),
    ({"free_mb": {"/": 9000, "/boot": 3}}, "edge1: /boot has 3 MB free, 20 are needed."),
    ({"free_inodes": 12}, "edge1: /var has 12 inodes left."),
    ({"memory_mb": 480}, "edge1: has 480 MB of memory, the inventory says 1024."),
    ({"rules": 7}, "edge1: has 7 packet filter rules that nobody declared."),
    (
        {"keys": [{"account": "root", "key": "ssh-ed25519 AAAAstranger"}]},
        "edge1: SSH keys that the inventory does not declare may log in as root.",
    ),
    (
        {"listeners": [{"protocol": "tcp", "address": "*", "port": 22, "processes": ["dropbear"]}]},
        "edge1: tcp port 22, which ssh needs, is held by dropbear.",
    ),
]


def test_a_port_that_is_held_over_both_families_is_told_once(here: dict[str, Any]) -> None:
    held = [
        {"protocol": "tcp", "address": address, "port": 22, "processes": ["dropbear"]}
        for address in ("0.0.0.0", "*")
    ]
    assert obstacles(here | {"listeners": held}) == [
        "edge1: tcp port 22, which ssh needs, is held by dropbear."
    ]


def test_a_service_may_hold_its_own_ports(here: dict[str, Any]) -> None:
    host = (
        load("lab").host("edge2").model_copy(update={"strongswan": Strongswan(peers=(PEER,)), "swap": None})
    )
    held = [{"protocol": "udp", "address": "0.0.0.0", "port": 500, "processes": ["charon-systemd"]}]
    environment = load("lab").model_copy(update={"hosts": (host,)})
    survey = Survey(here | {"listeners": held, "os": ["debian", "13"]}, 0.0)
    assert not list(judged(survey, host, Target(environment, "lab", environment.hosts), adopt=False))


@pytest.mark.parametrize(("change", "sentence"), CASES, ids=[sentence for _, sentence in CASES])
def test_each_obstacle_has_its_sentence(here: dict[str, Any], change: dict[str, Any], sentence: str) -> None:
    assert obstacles(here | change) == [sentence]


def test_all_obstacles_are_told_at_once(here: dict[str, Any]) -> None:
    wrong = here | {"memory_mb": 480, "rules": 7, "systemd": False}
    assert len(obstacles(wrong, offset=-4000)) == 4


@pytest.mark.parametrize(
    ("offset", "sentence"),
    [(-3600, "edge1: its clock is 3600 s behind the controller's."),
     (301, "edge1: its clock is 301 s ahead of the controller's.")],
)  # fmt: skip
def test_a_clock_far_off_is_named_with_its_direction(
    here: dict[str, Any], offset: float, sentence: str
) -> None:
    assert obstacles(here, offset) == [sentence]


def test_a_clock_that_chrony_will_mend_is_no_obstacle(here: dict[str, Any]) -> None:
    assert obstacles(here, offset=120) == []


def test_adopt_takes_over_rules_and_keys(here: dict[str, Any]) -> None:
    keys = [{"account": "root", "key": "ssh-ed25519 AAAAstranger"}]
    assert obstacles(here | {"rules": 7, "keys": keys}, adopt=True) == []


def test_a_host_of_ours_may_have_rules_and_keys(here: dict[str, Any]) -> None:
    keys = [{"account": "deploy", "key": "ssh-ed25519 AAAAours"}]
    assert obstacles(here | {"manifest": True, "rules": 40, "keys": keys}) == []


def test_a_declared_key_is_no_stranger(here: dict[str, Any]) -> None:
    alice = next(key for key in load("lab").host("edge1").users.account("alice").keys if isinstance(key, str))
    keys = [{"account": "root", "key": " ".join(alice.split()[:2])}]
    assert obstacles(here | {"keys": keys}) == []


def test_sshd_may_hold_its_own_port(here: dict[str, Any]) -> None:
    listener = {"protocol": "tcp", "address": "*", "port": 22, "processes": ["sshd", "systemd"]}
    assert obstacles(here | {"listeners": [listener]}) == []


def test_the_holder_of_a_package_lock_is_named(
    here: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock-frontend"
    monkeypatch.setattr(survey, "LOCKS", {str(lock): "apt"})
    with lock.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        held = survey.lock_holders()
    assert [(each["what"], each["pid"]) for each in held] == [("apt", os.getpid())]
    assert Survey(here | {"locks": held}, 0).busy.endswith(f"(pid {os.getpid()}) holds the apt lock")
    assert survey.lock_holders() == []


class ThisMachine:
    """Looks at this very machine as an engine looks at a host, but for where the package locks are."""

    def __init__(self, lock: Path) -> None:
        self.lock = lock

    def command(self, host: str, script: str, *, timeout: int) -> subprocess.CompletedProcess[str]:
        """Run the survey."""
        elsewhere = script.replace("/var/lib/dpkg/lock-frontend", str(self.lock))
        for others in ("/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"):
            elsewhere = elsewhere.replace(f'"{others}"', '"/nowhere"')
        return subprocess.run(
            ["sh", "-c", elsewhere], capture_output=True, text=True, timeout=timeout, check=False
        )


def test_a_lock_that_never_comes_free_ends_the_wait_with_its_holder(tmp_path: Path) -> None:
    here: Any = ThisMachine(tmp_path / "lock")
    host = load("lab").host("edge1")
    with here.lock.open("w") as file, SilentBoard() as board:
        fcntl.lockf(file, fcntl.LOCK_EX)
        with pytest.raises(TrunklineError) as caught:
            _waited(here, host, board, deadline=time.monotonic() - 1)
    assert caught.value.message.startswith("edge1: ")
    assert caught.value.message.endswith(
        f"(pid {os.getpid()}) holds the apt lock, and 600 s of waiting are over."
    )
    assert caught.value.remedy


def test_cloud_init_at_work_is_waited_for(here: dict[str, Any]) -> None:
    assert Survey(here | {"cloud_init": True}, 0).busy == "cloud-init is still setting the host up"
    assert Survey(here | {"cloud_init": False, "locks": []}, 0).busy == ""


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("ssh-ed25519 AAAAb comment", ["ssh-ed25519 AAAAb"]),
        ('no-pty,command="echo ssh" ssh-rsa AAAAc x', ["ssh-rsa AAAAc"]),
        ("# ssh-ed25519 AAAAb commented out", []),
        ("sk-ssh-ed25519@openssh.com AAAAd", ["sk-ssh-ed25519@openssh.com AAAAd"]),
        ("", []),
    ],
)
def test_every_form_of_an_authorized_key_is_seen(line: str, keys: list[str]) -> None:
    assert survey.keys_in(line) == keys
