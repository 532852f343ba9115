"""Every check is the root cause of at least one recorded fault; one that nobody can make fail is a defect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from prove import ledger
from prove.fault import Fault
from prove.ledger import Result
from prove.row import Evidence, Row, require
from prove.stage import Stage
from verify.checks import catalogue


def rows(faults: Sequence[Fault]) -> tuple[Row, ...]:
    """Return the table for these faults."""

    def put(stage: Stage) -> Evidence:
        return covered(faults, ledger.read("faults"), {check.id for check in catalogue()})

    claim = "every check is the root of at least one proven fault"
    return (Row("coverage", "every-check-can-fail", claim, put, limit=30, needs=("faults",)),)


def covered(faults: Sequence[Fault], recorded: Mapping[str, Result], checks: Set[str]) -> Evidence:
    """Return how many faults are proven of how many checks; Disproved names the checks that none is of.

    A fault counts for the check that it was recorded as the root cause of, and only where it is meant to be.
    """
    strange = sorted({fault.check for fault in faults} - checks)
    require(not strange, f"faults name checks that do not exist: {', '.join(strange)}")
    proven = [fault for fault in faults if (kept := recorded.get(fault.name)) and _shows(kept, fault)]
    bare = sorted(checks - {fault.check for fault in proven})
    require(not bare, f"no proven fault makes {len(bare)} of {len(checks)} checks fail: {', '.join(bare)}")
    oldest = min(recorded[fault.name].when for fault in proven)
    return {"checks": len(checks), "faults": len(faults), "proven": len(proven), "oldest": oldest}


def _shows(kept: Result, fault: Fault) -> bool:
    return kept.verdict == "proven" and kept.evidence.get("root") == f"{fault.host}/{fault.check}"
