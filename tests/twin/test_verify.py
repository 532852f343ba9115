"""The checks against real hosts as a provider delivers them: they fail loudly, and never by breaking."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inventories.model import Environment
from twin.enter import enter_argv
from twin.twin import Twin

TOP = Path(__file__).resolve().parents[2]
LISTEN = """systemd-run -q --unit=six python3 -c '
import socket, time
s = socket.socket(socket.AF_INET6); s.setsockopt(41, 26, 1); s.bind(("::", 8081)); s.listen(); time.sleep(600)
'; for n in $(seq 50); do ss -Hltn | grep -q 8081 && exit 0; sleep 0.1; done; exit 1"""


def verify(
    twin: Twin, directory: Path, *options: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the checks; return how that ended and the entries by id."""
    report = directory / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "verify/", "-p", "no:cacheprovider", "--env", "lab",
         "--twin", twin.name, "--report", str(report), *options],
        cwd=TOP, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    held = json.loads(report.read_text()) if report.exists() else {"checks": []}
    return done, {entry["id"]: entry for entry in held["checks"]}


def probe(twin: Twin, node: str, name: str, *arguments: str) -> dict[str, Any]:
    """Run a probe alone from a place in the twin."""
    argv = [*enter_argv(twin.name, node), sys.executable, "-m", f"verify.probes.{name}", *arguments, "--json"]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def delivered(twin: Twin) -> Iterator[Twin]:
    """Hosts as delivered; the tests of this module only look at them or add a listener."""
    yield twin
    twin.mend("edge1")


@pytest.fixture(scope="module")
def judged(delivered: Twin, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the checks say of hosts that nobody has hardened."""
    done, entries = verify(delivered, tmp_path_factory.mktemp("report"))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return entries


@pytest.mark.parametrize(
    "check",
    [
        "ssh.password_login_is_off", "ssh.root_cannot_log_in", "ssh.only_modern_algorithms_are_offered",
        "users.login_shells_are_exactly_the_declared", "users.keys_are_exactly_the_declared",
        "fail2ban.server_answers", "updates.unattended_upgrades_will_run", "journal.limits_are_effective",
        "sysctl.network_settings_hold", "time.clock_is_kept", "drift.managed_files_are_unchanged",
    ],
)  # fmt: skip
def test_a_host_that_nobody_hardened_fails(judged: dict[str, Any], check: str) -> None:
    entry = judged[f"edge1/{check}"]
    assert entry["verdict"] == "fail", entry
    assert entry["seen"]
    assert entry["remedy"]


def test_no_check_breaks_on_a_host_without_our_packages(judged: dict[str, Any]) -> None:
    assert [e["seen"] for e in judged.values() if "the check broke" in e["seen"]] == []


def test_what_cannot_be_read_is_not_proven_and_gates(judged: dict[str, Any]) -> None:
    entry = judged["edge1/firewall.kernel_admits_exactly_the_declared"]
    assert (entry["verdict"], entry["gates"]) == ("not proven", True)
    assert "iptables-save" in entry["seen"]


def test_root_that_is_let_in_is_found_by_really_logging_in(delivered: Twin, tmp_path: Path) -> None:
    delivered.run("edge1", "echo 'PermitRootLogin no' > /etc/ssh/sshd_config.d/00-no.conf")  # files only
    try:
        _, entries = verify(delivered, tmp_path, "--host", "edge1", "--check", "ssh.root_cannot_log_in")
    finally:
        delivered.run("edge1", "rm /etc/ssh/sshd_config.d/00-no.conf")
    assert entries["edge1/ssh.root_cannot_log_in"]["seen"] == "the controller's key opened root's account"


def test_the_sweep_sees_a_listener_on_v6_alone_and_nothing_else(delivered: Twin) -> None:
    assert delivered.run("edge2", LISTEN).returncode == 0
    six = probe(delivered, "stranger", "sweep", "2001:db8:100::12", "--control", "22")
    four = probe(delivered, "stranger", "sweep", "198.51.100.12", "--control", "22")
    assert (six["open"], six["control"], four["open"]) == ([22, 8081], "seen", [22])
    assert six["method"] == four["method"] == "SYN"


def test_a_password_is_really_tried_from_an_address_that_is_gone_afterwards(delivered: Twin) -> None:
    borrow = ("--borrow", "203.0.113.199")
    seen = probe(delivered, "stranger", "ssh", "198.51.100.11", "--user", "root", "--password", *borrow)
    assert (seen["logins"][0]["methods"], seen["logins"][0]["password"]) == (
        ["publickey", "password"],
        "refused",
    )
    told = "journalctl -u ssh --no-pager -q | grep -q 'Failed password.*203.0.113.199' && exit 0"
    journal = delivered.run("edge1", f"for n in $(seq 100); do {told}; sleep 0.1; done; exit 1")
    assert journal.returncode == 0, delivered.run("edge1", "journalctl -u ssh --no-pager | tail -20").stdout
    addresses = subprocess.run(
        [*enter_argv(delivered.name, "stranger"), "ip", "-br", "address"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "203.0.113.199" not in addresses.stdout


def test_a_host_that_is_cut_off_is_one_root_cause(delivered: Twin, tmp_path: Path) -> None:
    delivered.cut("edge1")
    began = time.monotonic()
    try:
        done, entries = verify(delivered, tmp_path, "--host", "edge1")
    finally:
        delivered.mend("edge1")
    roots = [id for id, e in entries.items() if e["verdict"] not in ("ok", "blocked")]
    assert roots == ["edge1/ssh.daemon_answers_on_every_address"]
    assert {e["blocked_by"] for e in entries.values() if e["verdict"] == "blocked"} == set(roots)
    assert time.monotonic() - began < 60
    assert done.stdout.count("FAIL") == 1


def test_a_twin_that_is_not_up_ends_with_one_sentence(lab: Environment, tmp_path: Path) -> None:
    done, entries = verify(Twin(lab, "nobody-made-this"), tmp_path)
    assert (done.returncode, entries) == (1, {})
    assert "invoke twin.up --twin nobody-made-this" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
