"""End whatever a crash or power cut left: a half-applied set, a guard in mid-arming, an outcome not tidied
up."""

from __future__ import annotations

from typing import Any

from . import guard, journal, timer
from . import guard_record as armed
from .guard_return import give_files_back


def recover(boot: bool = False) -> dict[str, Any]:
    """Bring the host to a state between two commands; in early boot only files are touched, daemons come up
    after it."""
    services, problems = journal.end_pending(load=not boot)
    return {"recovered": services, "guard": end_guard(boot), "problems": problems}


def end_guard(boot: bool = False) -> str | None:
    """Tidy up after a guard whose outcome stands, drop one that was never armed; says which, or None."""
    record = armed.read()
    if record is None:
        armed.drop_unwritten()
        return None
    if record["phase"] in ("confirmed", "returned"):
        guard.tidy(record, running=not boot)
        return str(record["phase"])
    if record["phase"] == "arming":
        timer.stop(running=not boot)
        armed.drop()
        return "dropped"
    if boot and (record["phase"] == "returning" or timer.passed(record)):
        give_files_back(record)
        return "returning"
    return None
