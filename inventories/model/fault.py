"""Collect what is wrong while an inventory is read, instead of stopping at the first wrong record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from inventories.model.problem import ModelError, Problem
from inventories.model.sentence import Fault, called, fault_of, step

_reading: ContextVar[Reading | None] = ContextVar("reading", default=None)


@dataclass
class Broken:
    """Stands for a record that did not validate, until the record above it takes its faults over."""

    record: str
    name: str
    faults: tuple[Fault, ...]
    fields: frozenset[str]
    """The fields that are wrong, themselves or below."""
    remainder: Any = None
    """The record without its wrong fields, where it still stands without them."""
    taken: bool = False

    def inventory(self) -> list[Any]:
        """Return no hosts: an environment that is refused has none for pyinfra."""
        return []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModelError(problem_of(fault) for fault in self.named)

    @property
    def named(self) -> tuple[Fault, ...]:
        """The faults with the record's own name before them, for a record that stands nowhere."""
        place = f"{self.record}({self.name})" if self.name else self.record
        return tuple(replace(fault, path=(place, *fault.path)) for fault in self.faults)


@dataclass
class Reading:
    """One inventory being read: the records that did not validate."""

    broken: list[Broken] = field(default_factory=list)

    def build(self, kind: type[Any], construct: Callable[..., Any], given: dict[str, Any]) -> Any:
        """Return the record, or what stands for it and carries its faults."""
        below: list[tuple[tuple[str, ...], Broken]] = []
        whole = {key: _whole(value, (key,), below) for key, value in given.items()}
        whole = {key: value for key, value in whole.items() if not isinstance(value, Broken)}
        faults = [replace(f, path=(*path, *f.path)) for path, broken in below for f in broken.faults]
        fields = {path[0] for path, _ in below}
        remainder, own = _try(kind, construct, given, whole, fields)
        if remainder is not None and not faults and not own:
            return remainder
        fields |= {fault.path[0] for fault in own if fault.path}
        kept = remainder if kind.partial else None
        broken = Broken(kind.__name__, _name(given), (*faults, *own), frozenset(fields), kept)
        self.broken.append(broken)
        return broken

    def loose(self, *besides: object) -> Iterator[Fault]:
        """Yield the faults of the records that no other record took over."""
        for broken in self.broken:
            if not broken.taken and not any(broken is each for each in besides):
                yield from broken.named


@contextmanager
def reading() -> Iterator[Reading]:
    """Collect faults instead of raising them, as long as this lasts."""
    here = Reading()
    token = _reading.set(here)
    try:
        yield here
    finally:
        _reading.reset(token)


def current() -> Reading | None:
    """Return the inventory that is being read, if one is."""
    return _reading.get()


def problem_of(fault: Fault) -> Problem:
    """Return a fault as a problem: its path split into host, service and field."""
    host, path = "", fault.path
    if len(path) > 1 and path[0] == "hosts" and path[1].startswith("["):
        host, path = path[1][1:-1], path[2:]
    service = path[0] if host and len(path) > 1 and not path[1].startswith("[") else ""
    rest = ".".join(path[1:] if service else path).replace(".[", "[")
    return Problem(host, service, rest, fault.seen, fault.wanted, fault.remedy, fault.bare)


def _try(
    kind: type[Any],
    construct: Callable[..., Any],
    given: dict[str, Any],
    whole: dict[str, Any],
    fields: set[str],
) -> tuple[Any, list[Fault]]:
    """Construct the record; where that fails, once more without what is wrong."""
    try:
        return construct(**_standing(kind, whole, fields)), []
    except ValidationError as error:
        wrong = {str(each["loc"][0]) for each in error.errors() if each["loc"]}
        details = [each for each in error.errors() if not each["loc"] or each["loc"][0] not in fields]
        own = [fault_of(each, kind, given) for each in details if not _follows(each, details)]
    if not kind.partial:
        return None, own
    right = {key: value for key, value in whole.items() if key not in wrong}
    try:
        return construct(**_standing(kind, right, fields | wrong)), own
    except ValidationError:
        return None, own


def _follows(error: ErrorDetails, others: list[ErrorDetails]) -> bool:
    """Say whether a list is too short only because its items are wrong."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        each["loc"][: len(loc)] == loc and len(each["loc"]) > len(loc) for each in others
    )


def _standing(kind: type[Any], right: dict[str, Any], wrong: set[str]) -> dict[str, Any]:
    """Return what is right, and what stands for what is wrong."""
    return {**{key: value for key, value in kind.stand_ins.items() if key in wrong}, **right}


def _whole(value: Any, path: tuple[str, ...], below: list[tuple[tuple[str, ...], Broken]]) -> Any:
    """Return the value without what is broken in it, noting each with its path."""
    if isinstance(value, Broken):
        value.taken = True
        below.append((path, value))
        return value if value.remainder is None else value.remainder
    if isinstance(value, list | tuple):
        items = [_whole(item, (*path, step(item, index)), below) for index, item in enumerate(value)]
        return tuple(item for item in items if not isinstance(item, Broken))
    if isinstance(value, dict):
        pairs = {key: _whole(item, (*path, f"[{key}]"), below) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if not isinstance(item, Broken)}
    return value


def _name(given: dict[str, Any]) -> str:
    return called(given)
