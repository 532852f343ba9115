"""The record of the armed guard: guard/armed/guard.json beside the copies it keeps, and guard/last.json of
the one before.

Phases: `arming` (no promise made yet), `armed`, `returning`, and `confirmed` or `returned`, which only
leave tidying up.
"""

from __future__ import annotations

import os
from typing import Any

from . import clock, durable
from .places import state
from .problem import AgentError

FORMAT = 1
_PAST = 5
_BALLAST = 1 << 20


def store() -> str:
    """The directory of the armed guard."""
    return state("guard", "armed")


def read() -> dict[str, Any] | None:
    """The guard that is not done with yet, in whatever phase."""
    record = durable.read_json(os.path.join(store(), "guard.json"))
    if record is not None and record["format"] != FORMAT:
        raise AgentError(
            f"the guard on this host has format {record['format']}, this release reads format {FORMAT}"
        )
    return dict(record) if record else None


def armed_id() -> str | None:
    """The id of the guard under which changes are made now."""
    record = read()
    return str(record["id"]) if record and record["phase"] == "armed" else None


def write(record: dict[str, Any]) -> None:
    """Put the record on disk in one step."""
    durable.write_json(os.path.join(store(), "guard.json"), {"format": FORMAT, **record})


def last() -> dict[str, Any] | None:
    """How the last guard ended, or None; told by the guard itself from the moment its outcome stands."""
    record = read()
    if record and record["phase"] in ("confirmed", "returned"):
        return _outcome(record)
    before = durable.read_json(state("guard", "last.json"))
    return dict(before) if before else None


def reserve() -> None:
    """Hold room on disk, so that a full one cannot keep a guard from writing down what it does."""
    fd = os.open(state("guard", "ballast"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _BALLAST)
        os.fsync(fd)
    finally:
        os.close(fd)


def let_go() -> None:
    """Give the reserved room back."""
    durable.unlink(state("guard", "ballast"))


def close(record: dict[str, Any]) -> None:
    """Write the outcome to last.json and put the guard's directory among the past ones (the last five are
    kept)."""
    durable.write_json(state("guard", "last.json"), _outcome(record))
    past = state("guard", "past")
    durable.make_dir(past)
    durable.remove_tree(os.path.join(past, str(record["id"])))
    os.rename(store(), os.path.join(past, str(record["id"])))
    durable.sync_dir(past)
    durable.sync_dir(os.path.dirname(past))
    for name in sorted(os.listdir(past))[:-_PAST]:
        durable.remove_tree(os.path.join(past, name))


def drop_unwritten() -> None:
    """Take away the copies of an arming that was cut short before its record was written."""
    if os.path.isdir(store()):
        drop()


def drop() -> None:
    """Forget a guard that never came to be armed."""
    let_go()
    durable.remove_tree(store())
    durable.sync_dir(state("guard"))


def _outcome(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": record["id"],
        "when": record.get("ended", clock.stamp()),
        "outcome": record["phase"],
        "restored": record.get("restored", []),
        "problems": record.get("problems", []),
    }
