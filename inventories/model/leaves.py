"""Every value of a record with its place, for what must be looked for everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inventories.model.record import Record
from inventories.model.sentence import step


def leaves(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value that is no container, and each record, with the path that leads to it."""
    if isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from leaves(item, *path, step(item, index))
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, *path, f"[{key}]")
        return
    yield path, value
    if isinstance(value, Record):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), *path, name)


def place_of(path: tuple[str, ...]) -> str:
    """Return a path as it is written: `firewall.extra[0].sources[1]`."""
    return ".".join(path).replace(".[", "[")
