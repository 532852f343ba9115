"""What the engine tells while it works, as typed records."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class HostEvent:
    """The state of a host's connection: connecting, connected, failed or lost."""

    host: str
    state: str
    user: str = ""
    port: int = 0
    address: str = ""
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class StepEvent:
    """A step was planned, started, changed, unchanged, skipped, or failed; `seconds` it took."""

    phase: str
    host: str
    step: str
    change: str
    status: str
    diff: str = ""
    seconds: float = 0.0
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Heartbeat:
    """A step is still running after so many seconds."""

    host: str
    step: str
    seconds: float


@dataclass(frozen=True)
class ProblemEvent:
    """Something is wrong that is not one step's failure."""

    error: str
    remedy: str = ""
    host: str = ""


@dataclass(frozen=True)
class LockEvent:
    """A host's lock could not be given back; its lease ends by itself within so many seconds."""

    host: str
    error: str
    seconds: int


@dataclass(frozen=True)
class ResultEvent:
    """The answer to a request; `fields` holds what belongs to that request."""

    do: str
    ok: bool
    error: str
    remedy: str
    fields: dict[str, Any]


Event = HostEvent | StepEvent | Heartbeat | ProblemEvent | LockEvent | ResultEvent
_RECORDS: dict[
    str, type[HostEvent] | type[StepEvent] | type[Heartbeat] | type[ProblemEvent] | type[LockEvent]
] = {
    "host": HostEvent,
    "step": StepEvent,
    "heartbeat": Heartbeat,
    "problem": ProblemEvent,
    "lock": LockEvent,
}


def event_of(message: dict[str, Any]) -> Event:
    """Return the record of one line from the engine; raises ValueError for an event that does not exist."""
    kind = message.get("event")
    if kind == "result":
        more = {key: value for key, value in message.items() if key not in ("event", "do", "ok")}
        return ResultEvent(
            do=str(message.get("do", "")),
            ok=message.get("ok") is True,
            error=str(more.pop("error", "")),
            remedy=str(more.pop("remedy", "")),
            fields=more,
        )
    if kind not in _RECORDS:
        raise ValueError(f"the engine sent an unknown event: {kind!r}")
    record = _RECORDS[kind]
    known = {field.name for field in fields(record)}
    return record(**{key: value for key, value in message.items() if key in known})
