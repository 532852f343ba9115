"""The intent of a set, written before its first rename, so that a crash at any later point can be ended.

While the phase is `swap` the old entries are to be put back from `store`. Phase `end` means that the
outcome stands, whichever it is, and only `drop` is left to be taken away. No journal: nothing is under way.
"""

from __future__ import annotations

from typing import Any

from . import clock, durable
from .command import Outcome, run
from .entry import Entry, from_record
from .kept import prune
from .mounts import clear_staging
from .place import drop_made, put_back
from .places import state
from .problem import AgentError

FORMAT = 1


def pending() -> dict[str, Any] | None:
    """What a crash left half done, or None."""
    record = durable.read_json(state("journal.json"))
    if record is not None and record["format"] != FORMAT:
        raise AgentError(
            f"the journal on this host has format {record['format']}, this release reads format {FORMAT}"
        )
    return dict(record) if record else None


def begin(
    service: str, store: str, entries: list[Entry], made: list[str], load: list[str] | None, seconds: float
) -> None:
    """Write the intent; from here on `end_pending` returns to `entries`."""
    durable.write_json(
        state("journal.json"),
        {
            "format": FORMAT,
            "phase": "swap",
            "service": service,
            "since": clock.stamp(),
            "store": store,
            "entries": [entry.record() for entry in entries],
            "made": made,
            "load": load,
            "load_seconds": seconds,
            "drop": [],
        },
    )


def finish(drop: list[str]) -> None:
    """The outcome stands: take away `drop`, then the journal."""
    record = pending()
    if record is None:
        return
    if drop:
        durable.write_json(state("journal.json"), {**record, "phase": "end", "drop": drop})
    _close({**record, "drop": drop})


def put_old_back(record: dict[str, Any]) -> list[str]:
    """Put the journal's old entries back; returns the paths that had to change."""
    entries = [from_record(entry) for entry in record["entries"]]
    changed = [entry.path for entry in reversed(entries) if put_back(entry, record["store"])]
    drop_made(record["made"])
    return changed


def end_pending(load: bool = True) -> tuple[list[str], list[str]]:
    """End what a crash left: (services returned, problems). Without `load` no daemon is asked to take the
    files up."""
    record = pending()
    if record is None:
        clear_staging()
        return [], []
    if record["phase"] == "end":
        _close(record)
        clear_staging()
        return [], []
    put_old_back(record)
    problems: list[str] = []
    if load and record["load"]:
        outcome = run_load(record)
        if not outcome.ok:
            problems.append(f"{record['service']} was returned but did not load: {outcome.gist}")
    finish([record["store"]])
    clear_staging()
    return [record["service"]], problems


def run_load(record: dict[str, Any]) -> Outcome:
    """Ask the daemon of a set to take its files up."""
    return run(list(record["load"]), float(record["load_seconds"]))


def _close(record: dict[str, Any]) -> None:
    for path in record["drop"]:
        durable.remove_tree(path)
    durable.unlink(state("journal.json"))
    prune(record["service"])
