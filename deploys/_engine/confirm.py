"""Confirm an armed guard, but only over a connection that a person could make anew right now."""

from __future__ import annotations

from typing import Any

from control.errors import TrunklineError
from deploys._connector.agent import answer
from deploys._connector.line import Line


def confirm_guard(line: Line) -> dict[str, Any]:
    """Confirm a host's armed guard over a new login as the deploy user; say what came of it.

    Never raises: a guard that cannot be confirmed returns by itself, and the answer says when.
    """
    result: dict[str, Any] = {"host": line.name, "armed": False, "ok": True}
    try:
        if not line.connection.alive:
            line.connection.take_over(line.connection.anew())
        armed = answer(line.connection, ["guard", "show"]).get("armed")
    except TrunklineError as error:
        remedy = f"{error.remedy} A guard that is armed there returns the host by itself.".strip()
        return result | {"ok": False, "error": error.message, "remedy": remedy}
    if not armed:
        return result
    result |= {"armed": True, "returns_at": armed["deadline"]}
    try:
        fresh = line.connection.anew()
    except TrunklineError as error:
        return result | {
            "ok": False,
            "error": f"{line.name}'s guard stays armed: no new login works. {error.message}",
            "remedy": f"It returns the host at {armed['deadline']}.",
        }
    try:
        answer(fresh, ["guard", "confirm", "--id", armed["id"]])
    except TrunklineError as error:
        fresh.close()
        return result | {"ok": False, "error": error.message, "remedy": error.remedy}
    line.connection.take_over(fresh)
    return result
