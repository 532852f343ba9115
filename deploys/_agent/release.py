"""Which release this host runs, as the controller recorded it."""

from __future__ import annotations

from typing import Any

from . import durable
from .places import state
from .problem import AgentError


def record(release: Any) -> dict[str, Any]:
    """Keep the release record whole; an earlier one is replaced."""
    if not isinstance(release, dict) or not release:
        raise AgentError("a release record is an object")
    durable.write_json(state("release.json"), release)
    return {"recorded": True}


def show() -> dict[str, Any] | None:
    """The record, or None before the first deploy."""
    found = durable.read_json(state("release.json"))
    return dict(found) if found else None
