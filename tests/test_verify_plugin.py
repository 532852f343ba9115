"""The runner of the checks: verdicts, root causes, exit codes, the report."""

from __future__ import annotations

import atexit
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from typing import Any
from xml.etree import ElementTree

import pytest

from verify.checks import catalogue

TOP = Path(__file__).resolve().parent.parent

INVENTORY = """
from inventories.model import Environment, Host, Time, User, Users
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a@b"
users = Users(accounts=(User(name="deploy", keys=(KEY,), sudo=True),))
environment = Environment(
    name="desk", domain="desk.zone", controllers=("9.9.9.9/32",),
    hosts=(
        Host(name="one", os="debian13", address="9.9.9.10/24", users=users),
        Host(name="two", os="debian13", address="9.9.9.11/24", users=users),
    ),
)
"""
CONFTEST = """
import sys
from pathlib import Path
import inventories.model
sys.modules["inventories.model.load"].INVENTORIES = Path(__file__).parent
inventories.__path__.append(str(Path(__file__).parent))
"""
CHECKS = """
from verify.checks import check
from verify.verdict import fail, not_proven, same, warn

@check(fault="none", remedy="nothing")
def test_all_is_well(evidence, observed, declared): pass

@check(fault="warned", remedy="think")
def test_a_warning_is_told(declared): warn("smoke", "no smoke")

@check(fault="broken", remedy="mend it")
def test_root_holds(declared, evidence):
    evidence["long"] = "x" * 5000
    if declared.name == "one": fail({"port": 23}, "port 22")

@check(fault="first", needs=("demo.root_holds",), remedy="")
def test_first_behind(declared): assert declared.name != "one", "it is blocked there"

@check(fault="second", needs=("demo.first_behind",), remedy="")
def test_second_behind(declared): pass

@check(fault="blind", remedy="declare a vantage")
def test_nobody_could_look(declared): not_proven("no vantage", gates=False)
"""
CRASH = """
from verify.checks import check
@check(fault="x", remedy="")
def test_a_broken_check_is_no_proof(declared): {}["missing"]
"""
ENDED = """
import os, signal, time
from verify.checks import check
@check(fault="x", remedy="")
def test_it_is_well(declared): pass
@check(fault="x", needs=("demo.it_is_well",), remedy="")
def test_somebody_ends_it(declared): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)
"""
DISRUPTIVE = """
from verify.checks import check
@check(fault="x", remedy="", disruptive=True)
def test_it_hurts(declared): pass
@check(fault="x", remedy="")
def test_it_does_not(declared): pass
"""
OF_ONE_HOST = """
from verify.checks import check
@check(fault="x", remedy="", applies=lambda host: host.name == "two")
def test_it_is_about_two(declared): pass
@check(fault="x", remedy="", needs=("demo.it_is_about_two",))
def test_it_is_about_both(declared): pass
"""


@dataclass(frozen=True)
class Checked:
    """How a run ended, what it said, and the report's entries by id."""

    code: int
    out: str
    err: str
    entries: dict[str, dict[str, Any]]
    directory: Path


@cache
def checked(source: str, *options: str, env: str = "desk") -> Checked:
    """Run checks in a process and a directory of their own; nothing in the environment is contacted."""
    directory = Path(tempfile.mkdtemp(prefix="verify-plugin-"))
    atexit.register(rmtree, directory, ignore_errors=True)
    for name, text in (("conftest.py", CONFTEST), ("desk.py", INVENTORY), ("test_demo.py", source)):
        (directory / name).write_text(text)
    report = directory / "report.json"
    chosen = ["--env", env, "--report", str(report)] if env else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "verify.plugin", *chosen, *options],
        cwd=directory, env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    held = json.loads(report.read_text()) if report.exists() else {"checks": []}
    entries = {entry["id"]: entry for entry in held["checks"]}
    return Checked(done.returncode, done.stdout, done.stderr, entries, directory)


def test_each_check_runs_on_each_host_and_says_its_verdict() -> None:
    done = checked(CHECKS)
    assert done.code == 1
    assert {id: e["verdict"] for id, e in done.entries.items() if id.startswith("one/")} == {
        "one/demo.all_is_well": "ok",
        "one/demo.a_warning_is_told": "warn",
        "one/demo.root_holds": "fail",
        "one/demo.first_behind": "blocked",
        "one/demo.second_behind": "blocked",
        "one/demo.nobody_could_look": "not proven",
    }
    assert {e["verdict"] for id, e in done.entries.items() if id.startswith("two/")} == {
        "ok",
        "warn",
        "not proven",
    }


def test_one_root_cause_is_told_once_and_what_is_behind_it_names_it() -> None:
    done = checked(CHECKS)
    for behind in ("first_behind", "second_behind"):
        assert done.entries[f"one/demo.{behind}"]["blocked_by"] == "one/demo.root_holds"
    said = done.out
    assert said.count("FAIL") == 1
    assert "FAIL one demo: root holds: seen port 23, wanted port 22. mend it" in said
    assert "BLOCKED 2 checks by one/demo.root_holds" in said
    assert "Traceback" not in said + done.err


def test_evidence_is_kept_and_bounded() -> None:
    done = checked(CHECKS)
    evidence = done.entries["one/demo.root_holds"]["evidence"]
    assert evidence["seen"] == "port 23"
    assert len(evidence["long"]) < 1000


def test_the_report_is_its_owners_only() -> None:
    assert stat.S_IMODE((checked(CHECKS).directory / "report.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)])
def test_what_nobody_could_look_at_gates_only_when_strict(options: tuple[str, ...], code: int) -> None:
    done = checked(CHECKS, "--host", "two", *options)
    assert done.code == code


def test_a_check_that_breaks_proves_nothing_and_gates() -> None:
    done = checked(CRASH)
    entry = done.entries["one/demo.a_broken_check_is_no_proof"]
    assert (entry["verdict"], entry["gates"], done.code) == ("not proven", True, 1)
    assert "test_demo.py:4: KeyError" in entry["seen"]


@pytest.mark.parametrize("options", [("-k", "second_behind"), ("--check", "demo.second_behind")])
def test_a_chosen_check_brings_what_it_needs(options: tuple[str, ...]) -> None:
    done = checked(CHECKS, "--host", "one", *options)
    assert list(done.entries) == [
        f"one/demo.{name}" for name in ("root_holds", "first_behind", "second_behind")
    ]


def test_a_disruptive_check_runs_only_when_asked_for() -> None:
    done = checked(DISRUPTIVE, "--host", "one")
    assert list(done.entries) == ["one/demo.it_does_not"]
    assert "; 1 disruptive checks left out" in done.out
    assert set(checked(DISRUPTIVE, "--host", "one", "--disruptive").entries) > set(done.entries)
    assert list(checked(DISRUPTIVE, "--host", "one", "--check", "demo.it_hurts").entries) == [
        "one/demo.it_hurts"
    ]


def test_a_check_runs_on_the_hosts_it_is_about_and_the_others_do_not_wait_for_it() -> None:
    assert list(checked(OF_ONE_HOST, "--host", "one").entries) == ["one/demo.it_is_about_both"]
    assert set(checked(OF_ONE_HOST).entries) == {
        "one/demo.it_is_about_both", "two/demo.it_is_about_both", "two/demo.it_is_about_two",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--env", "nowhere"), "no environment 'nowhere'; there are: *desk*"),
        (("--host", "three"), "desk has no host three. Its hosts are: one, two."),
        (("--check", "demo.nothing"), "There is no check demo.nothing. --list-checks lists them."),
    ],
)
def test_a_wrong_name_ends_with_one_sentence(options: tuple[str, ...], sentence: str) -> None:
    done = checked(CHECKS, *options)
    assert (done.code, done.entries) == (1, {})
    said = [line for line in (done.err + done.out).splitlines() if line.strip()]
    assert len(said) == 1
    pytest.LineMatcher(said).fnmatch_lines(f"*{sentence}")


def test_without_an_environment_the_run_asks_for_one() -> None:
    done = checked(CHECKS, env="")
    assert done.code == 1
    assert "Which environment is to be checked?" in done.err


def test_a_run_that_is_ended_early_says_so_by_its_exit_code() -> None:
    done = checked(ENDED, "--host", "one")
    assert (done.code, [entry["verdict"] for entry in done.entries.values()]) == (2, ["ok"])
    assert "Interrupted" in done.out


def test_junit_names_the_failure_and_skips_what_is_blocked() -> None:
    done = checked(CHECKS, "--host", "one", "--junitxml", "junit.xml")
    suite = ElementTree.parse(done.directory / "junit.xml").getroot()[0]
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["6", "1", "0", "2"]
    failure = next(suite.iter("failure"))
    assert "seen port 23, wanted port 22" in str(failure.get("message")) + str(failure.text)


def test_a_refused_environment_ends_with_its_first_problem() -> None:
    done = real("--env", "prod")
    assert done.returncode == 1
    assert re.fullmatch(
        r"Exit: prod is refused: .*, wanted .* \(and \d+ more\)\. `invoke lint --env prod` shows all\.\n",
        done.stderr,
    )


def real(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the project's own checks."""
    argv = [sys.executable, "-m", "pytest", "verify/", "-p", "no:cacheprovider", *options]
    return subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)


def test_the_projects_own_checks_are_listed() -> None:
    done = real("--list-checks")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [check.id for check in catalogue()]


def test_the_list_of_checks_contacts_nobody() -> None:
    done = checked(CHECKS, "--list-checks", env="")
    assert done.code == 0
    assert "demo.root_holds\tbroken\troot holds" in done.out.splitlines()
