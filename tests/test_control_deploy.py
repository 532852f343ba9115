"""The order of a deploy, its exit code and its records."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from control import history
from control.console import Console
from control.course import ApplyFailed, Course
from control.course import Interrupted as EngineInterrupted
from control.deploy import batches, ending, stopped
from control.errors import Interrupted
from control.event import LockEvent, ResultEvent, StepEvent
from control.history import Record
from control.leases import Leases
from control.target import Target
from control.verification import Verification
from inventories.model import load


def check(name: str, verdict: str = "ok", *, gates: bool | None = None) -> dict[str, Any]:
    """One entry of a verification's report."""
    return {
        "id": f"edge1/{name}", "check": name, "host": "edge1", "service": name.split(".")[0], "claim": name,
        "verdict": verdict, "gates": verdict == "fail" if gates is None else gates, "seen": "this",
        "wanted": "that", "remedy": "do it", "blocked_by": None,
    }  # fmt: skip


def said(*checks: dict[str, Any]) -> Verification:
    """What a verification came to."""
    return Verification(checks, 1.0, not any(each["gates"] for each in checks))


def record(failures: tuple[str, ...] = (), hosts: tuple[str, ...] = ("edge1", "edge2")) -> Record:
    """The record of an earlier deploy."""
    when = "2026-01-01T00:00:00+00:00"
    return Record("c", "h", hosts, "me@box", when, "deploy", {"ok": 3}, failures, len(hosts) < 2)


@pytest.mark.parametrize(
    ("verification", "known", "code"),
    [
        (said(check("ssh.up")), set(), 0),
        (said(check("ssh.up", "warn")), set(), 0),
        (said(check("swap.is", "not proven")), set(), 0),
        (said(check("ssh.up", "fail")), set(), 1),
        (said(check("ssh.up", "fail")), {"edge1/ssh.up"}, 3),
        (said(check("ssh.up", "fail"), check("time.ok", "fail")), {"edge1/ssh.up"}, 1),
        (said(check("ssh.up", "not proven", gates=True)), set(), 1),
    ],
)
def test_the_exit_code_tells_new_failures_from_old(
    verification: Verification, known: set[str], code: int
) -> None:
    assert ending(verification, known, Console()) == code


def broken_off(**fields: Any) -> ApplyFailed:
    """An apply that was interrupted, or failed."""
    return EngineInterrupted(ResultEvent("apply", False, "Stopped on request.", "", fields))


def test_an_interrupted_deploy_says_what_was_done_what_was_not_and_what_was_cut() -> None:
    error = broken_off(
        done=[["a1", "ssh: files"]],
        not_done=[["a1", "firewall: rules"], ["a1", "time: files"]],
        cut=[["a1", "firewall: rules"]],
    )
    told = stopped(error, ["b1"], grouped(("a1", "a"), ("b1", "b"), ("c1", "c")), Leases())
    assert isinstance(told, Interrupted)
    assert told.remedy == (
        "b1 is finished; a1: 1 of 3 steps done, 2 not (`firewall: rules` was left in the middle); "
        "c1 not changed. The lock is released; the next deploy goes on from here."
    )


def test_a_lock_that_could_not_be_given_back_is_not_called_released() -> None:
    leases = Leases()
    leases.taken(["a1", "b1"], 60)
    leases.kept(LockEvent("a1", "The connection to a1 was lost.", 60))
    leases.given_back()
    told = stopped(broken_off(), [], grouped(("a1", "a"), ("b1", "b")), leases).remedy
    assert "released" not in told
    assert "The lock of a1 could not be given back: its lease ends by itself by " in told
    assert "UTC (in 60 s); the next deploy" in told


def test_when_the_engine_was_killed_no_lock_is_known_to_be_released() -> None:
    leases = Leases()
    leases.taken(["a1", "b1"], 60)
    leases.lost()
    assert "The lock of a1, b1 could not be given back" in leases.told()


def test_what_a_killed_engine_did_is_known_from_what_it_told() -> None:
    course = Course([("a1", "one"), ("a1", "two"), ("a1", "three"), ("a1", "four")])
    for step, status in (("one", "changed"), ("two", "unchanged"), ("three", "started")):
        course.note(StepEvent("apply", "a1", step, "change", status))
    left = ApplyFailed(course.broken_off("apply"))
    assert left.done == (("a1", "one"),)
    assert left.cut == (("a1", "three"),)
    assert left.not_done == (("a1", "three"), ("a1", "four"))


def test_a_failing_first_deploy_names_its_checks_and_stays(capsys: pytest.CaptureFixture[str]) -> None:
    ending(said(check("ssh.up", "fail")), set(), Console())
    told = capsys.readouterr().out
    assert "edge1/ssh.up" in told
    assert "what was applied stays" in told


def grouped(*groups: tuple[str, str]) -> Target:
    """A target of hosts (name, group)."""
    lab = load("lab")
    hosts = tuple(lab.hosts[0].model_copy(update={"name": name, "group": group}) for name, group in groups)
    return Target(lab, "lab", hosts)


GROUPED = grouped(("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"), ("c1", "c"))


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [
        ((), [["a1"], ["a2", "a3"], ["b1"], ["c1"]]),
        (("a1",), [["a2"], ["a1", "a3"], ["b1"], ["c1"]]),
        (("b1", "c1"), [["a1"], ["a2", "a3"], ["b1", "c1"]]),
        (("a1", "a2", "a3", "b1", "c1"), [["a1", "a2", "a3", "b1", "c1"]]),
        (("a1", "a2", "a3", "c1"), [["a1", "a2", "a3"], ["b1"], ["c1"]]),
    ],
)
def test_a_served_host_of_each_group_goes_alone_first(
    fresh: tuple[str, ...], expected: list[list[str]]
) -> None:
    assert batches(GROUPED, set(fresh)) == expected


def test_records_come_back_newest_last(tmp_path: Path) -> None:
    history.keep(tmp_path, record(("edge1/ssh.up",)))
    history.keep(tmp_path, record())
    assert history.records(tmp_path) == [record(("edge1/ssh.up",)), record()]


def test_what_failed_before_is_known_host_by_host(tmp_path: Path) -> None:
    assert history.known_failures(tmp_path, ["edge1", "edge2"]) == set()
    history.keep(tmp_path, record(("edge1/ssh.up", "edge2/time.ok")))
    history.keep(tmp_path, record(("edge2/swap.is",), hosts=("edge2",)))
    assert history.known_failures(tmp_path, ["edge1", "edge2"]) == {"edge1/ssh.up", "edge2/swap.is"}
    assert history.known_failures(tmp_path, ["edge2"]) == {"edge2/swap.is"}


def test_a_deploy_that_nobody_judged_makes_nothing_known(tmp_path: Path) -> None:
    history.keep(tmp_path, record(("edge1/ssh.up",)))
    history.keep(tmp_path, replace(record(), verdicts={}))
    assert history.known_failures(tmp_path, ["edge1"]) == {"edge1/ssh.up"}


def test_only_a_whole_deploy_without_failure_is_verified() -> None:
    assert record().verified
    assert not record(("edge1/ssh.up",)).verified
    assert not record(hosts=("edge1",)).verified
    assert not replace(record(), verdicts={}).verified


def test_a_record_says_commit_values_who_and_when() -> None:
    lab = load("lab")
    entry = history.record(Target(lab, "lab", lab.hosts[:1]), "deploy", {"ok": 2}, [])
    argv = ["git", "-C", str(history.ROOT), "rev-parse", "--short=12", "HEAD"]
    head = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    assert entry.commit.startswith(head or "uncommitted")
    assert "@" in entry.who
    assert entry.hosts == ("edge1",)
    assert entry.limited
    assert len(entry.config) == 64


def test_another_value_gives_another_config_hash() -> None:
    lab = load("lab")
    assert history.config_hash(lab) == history.config_hash(load("lab"))
    assert history.config_hash(lab) != history.config_hash(lab.model_copy(update={"domain": "other.example"}))
