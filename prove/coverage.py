"""Every check is the root cause of at least one recorded fault; one that nobody can make fail is a defect."""

from __future__ import annotations

from collections.abc import Sequence

from prove import ledger
from prove.fault import Fault
from prove.row import Evidence, Row, require
from prove.stage import Stage
from verify.checks import catalogue


def rows(faults: Sequence[Fault]) -> tuple[Row, ...]:
    """Return the table for these faults."""

    def put(stage: Stage) -> Evidence:
        recorded = ledger.read("faults")
        proven = {
            fault.check
            for fault in faults
            if fault.name in recorded and recorded[fault.name].verdict == "proven"
        }
        checks = {check.id for check in catalogue()}
        strange = sorted({fault.check for fault in faults} - checks)
        require(not strange, f"faults name checks that do not exist: {', '.join(strange)}")
        bare = sorted(checks - proven)
        require(not bare, f"no proven fault makes these checks fail: {', '.join(bare)}")
        return {"checks": len(checks), "faults": len(faults)}

    claim = "every check is the root of at least one proven fault"
    return (Row("coverage", "every-check-can-fail", claim, put, limit=30),)
