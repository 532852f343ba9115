"""An engine connected to the chosen hosts, its events shown as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from control.console import Console
from control.errors import TrunklineError, raise_all
from control.progress import Board
from control.target import Target

if TYPE_CHECKING:
    from control.engine import Engine

LEASE = 60
"""Seconds after which a dead controller's lock frees itself; a living one renews it."""


@contextmanager
def opened(target: Target, secrets: dict[str, str], console: Console) -> Iterator[Engine]:
    """Connect to the chosen hosts; raise every host that cannot be reached, at once."""
    from control.engine import Engine

    with Engine(target.environment, target.instance, debug=console.debug) as engine:
        with console.progress("connect") as board:
            for name in target.names:
                board.working(name, "connect")
            states = engine.open(target.names, secrets=secrets)
        raise_all([_unreachable(state) for state in states if state.state != "connected"])
        yield engine


def _unreachable(state: Any) -> TrunklineError:
    return TrunklineError(f"{state.host}: {state.error}", state.remedy or "")


def show(event: Any, console: Console, board: Board) -> None:
    """Pass one event of the engine on: to the board for a person, as it is for a program."""
    kind = type(event).__name__
    if kind == "StepEvent":
        if event.status == "started":
            board.working(event.host, event.step)
        else:
            outcome = event.status if event.status in ("changed", "failed") else ""
            board.done(event.host, event.step, outcome, event.seconds)
