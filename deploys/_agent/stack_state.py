"""What the agent must remember of a stack: which images the database was migrated for, and whether Nginx has
yet to read an upstream."""

from __future__ import annotations

from typing import Any

from . import clock, durable
from .places import state
from .problem import AgentError

FORMAT = 1
_KEPT = 50


def read(name: str) -> dict[str, Any]:
    """The record of a stack; an empty one before its first converge."""
    record = durable.read_json(_path(name))
    if record is None:
        return {"format": FORMAT, "migrated": [], "unread": []}
    if record["format"] != FORMAT:
        raise AgentError(
            f"the state of stack {name} on this host has format {record['format']}, "
            f"this release reads format {FORMAT}: deploy with the newer release"
        )
    return dict(record)


def migrated(name: str, image: str, revision: str | None) -> None:
    """Remember that the database is at least where `image` wants it.

    An older image is never migrated for again: it does not know the revision that a newer one made.
    """
    record = read(name)
    before = [item for item in record["migrated"] if item["image"] != image]
    fresh = {"image": image, "revision": revision, "when": clock.stamp()}
    _write(name, {**record, "migrated": [*before, fresh][-_KEPT:]})


def unread(name: str, service: str, pending: bool) -> None:
    """Remember, before an upstream file is replaced, that Nginx must read it; forget it once it has."""
    record = read(name)
    names = [known for known in record["unread"] if known != service] + ([service] if pending else [])
    if names != record["unread"]:
        _write(name, {**record, "unread": names})


def forget(name: str) -> None:
    """The stack is no more."""
    durable.unlink(_path(name))


def _write(name: str, record: dict[str, Any]) -> None:
    durable.make_dir(state("stacks"))
    durable.write_json(_path(name), record)


def _path(name: str) -> str:
    return state("stacks", f"{name}.json")
