"""The order of a deploy, its exit code and its records."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from control import history
from control.console import Console
from control.deploy import batches, ending
from control.history import Record
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


def before(*failures: str) -> Record:
    """The record of an earlier deploy."""
    return Record("c", "h", ("edge1",), "me@box", "2026-01-01T00:00:00+00:00", "deploy", {"ok": 3}, failures)


@pytest.mark.parametrize(
    ("verification", "last", "code"),
    [
        (said(check("ssh.up")), None, 0),
        (said(check("ssh.up", "warn")), None, 0),
        (said(check("swap.is", "not proven")), before(), 0),
        (said(check("ssh.up", "fail")), None, 1),
        (said(check("ssh.up", "fail")), before(), 1),
        (said(check("ssh.up", "fail")), before("edge1/ssh.up"), 3),
        (said(check("ssh.up", "fail"), check("time.ok", "fail")), before("edge1/ssh.up"), 1),
        (said(check("ssh.up", "not proven", gates=True)), before(), 1),
    ],
)
def test_the_exit_code_tells_new_failures_from_old(
    verification: Verification, last: Record | None, code: int
) -> None:
    assert ending(verification, last, Console()) == code


def test_a_failing_first_deploy_names_its_checks_and_stays(capsys: pytest.CaptureFixture[str]) -> None:
    ending(said(check("ssh.up", "fail")), None, Console())
    told = capsys.readouterr().out
    assert "edge1/ssh.up" in told
    assert "what was applied stays" in told


def test_the_first_host_of_each_group_goes_alone() -> None:
    lab = load("lab")
    hosts = tuple(
        lab.hosts[0].model_copy(update={"name": name, "group": group})
        for name, group in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"))
    )
    assert list(batches(Target(lab, "lab", hosts))) == [["a1"], ["a2", "a3"], ["b1"]]


def test_records_come_back_newest_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    history.keep("lab", before("edge1/ssh.up"))
    history.keep("lab", before())
    assert [each.failures for each in history.records("lab")] == [("edge1/ssh.up",), ()]
    assert history.last("lab") == before()


def test_a_deploy_that_was_never_verified_is_no_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    assert history.last("lab") is None
    history.keep("lab", Record("c", "h", (), "me", "2026-01-01T00:00:00+00:00", "deploy", {}, ()))
    assert history.last("lab") is None


def test_a_record_says_commit_values_who_and_when() -> None:
    lab = load("lab")
    entry = history.record(lab, ["edge1"], "deploy", {"ok": 2}, [])
    head = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=history.ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    assert entry.commit.startswith(head or "uncommitted")
    assert "@" in entry.who
    assert entry.verified
    assert len(entry.config) == 64


def test_another_value_gives_another_config_hash() -> None:
    lab = load("lab")
    assert history.config_hash(lab) == history.config_hash(load("lab"))
    assert history.config_hash(lab) != history.config_hash(lab.model_copy(update={"domain": "other.example"}))
