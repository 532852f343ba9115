"""An engine connected to the chosen hosts, its events shown as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from control.console import Console
from control.errors import TrunklineError, raise_all
from control.event import Event, Heartbeat, HostEvent, ProblemEvent, StepEvent
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


def _unreachable(state: HostEvent) -> TrunklineError:
    return TrunklineError(state.error or f"{state.host} cannot be reached.", state.remedy)


def show(event: Event, console: Console, board: Board) -> None:
    """Pass one event of the engine on: to the board for a person, as it is for a program."""
    if isinstance(event, StepEvent):
        console.event("step", **asdict(event))
        if event.status == "started":
            board.working(event.host, event.step)
        else:
            outcome = event.status if event.status in ("changed", "failed") else ""
            board.done(event.host, event.step, outcome, event.seconds)
    elif isinstance(event, Heartbeat):
        console.event("heartbeat", **asdict(event))
    elif isinstance(event, ProblemEvent):
        console.warn(f"{event.host}: {event.error}" if event.host else event.error)
    elif isinstance(event, HostEvent):
        console.event("host", **asdict(event))
        if event.state == "lost":
            board.said(event.host, f"connection lost: {event.error}")
