"""Which checks somebody has made fail: counted of the checks of now and the faults as they were recorded."""

from __future__ import annotations

import pytest

from prove.coverage import covered
from prove.fault import Fault
from prove.ledger import Result, Verdict
from prove.row import Disproved
from prove.tables import FAULTS, TABLES
from verify.checks import catalogue

STOPPED = Fault("stopped", "ssh.runs", "a stopped sshd is found", "true", host="edge1")
ROUTED = Fault("routed", "reach.answers", "a lost route is found", "true", host="edge2")


def recorded(fault: Fault, root: str = "", verdict: Verdict = "proven") -> Result:
    """A fault's result, with the check that was seen as the root cause."""
    root = root or f"{fault.host}/{fault.check}"
    return Result(fault.name, fault.claim, verdict, "", 1.0, "2026-11-01T00:00:00Z", "c", "s", {"root": root})


def test_every_check_with_a_proven_fault_is_covered() -> None:
    kept = {each.name: recorded(each) for each in (STOPPED, ROUTED)}
    assert covered((STOPPED, ROUTED), kept, {"ssh.runs", "reach.answers"}) == {
        "checks": 2, "faults": 2, "proven": 2, "oldest": "2026-11-01T00:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    "result",
    [None, recorded(ROUTED, verdict="disproved"), recorded(ROUTED, "edge2/ssh.runs"),
     recorded(ROUTED, "edge1/reach.answers")],
    ids=["not run", "disproved", "another check", "another host"],
)  # fmt: skip
def test_a_check_that_no_recorded_fault_shows_is_named(result: Result | None) -> None:
    kept = {"stopped": recorded(STOPPED)} | ({"routed": result} if result else {})
    with pytest.raises(Disproved, match=r"1 of 2 checks fail: reach\.answers$"):
        covered((STOPPED, ROUTED), kept, {"ssh.runs", "reach.answers"})


def test_a_fault_of_no_check_is_named() -> None:
    with pytest.raises(Disproved, match=r"do not exist: reach\.answers"):
        covered((STOPPED, ROUTED), {}, {"ssh.runs"})


def test_the_row_counts_all_checks_and_all_faults_of_now_and_is_judged_each_time() -> None:
    kept = {fault.name: recorded(fault) for fault in FAULTS}
    checks = {check.id for check in catalogue()}
    seen = covered(FAULTS, kept, checks)
    assert (seen["checks"], seen["faults"]) == (len(checks), len(FAULTS))
    assert [row.needs for row in TABLES["coverage"]] == [("faults",)]
