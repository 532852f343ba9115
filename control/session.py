"""An engine connected to the chosen hosts, its events shown as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from control.console import Console
from control.engine import Engine
from control.errors import TrunklineError
from control.event import Event, Heartbeat, HostEvent, ProblemEvent, StepEvent
from control.progress import Board
from control.secrets import store_of
from control.target import Target

LEASE = 60
"""Seconds after which a dead controller's lock frees itself; a living one renews it."""


@dataclass(frozen=True)
class Session:
    """A running engine, the hosts it reached, and what went wrong on the way there."""

    engine: Engine
    reached: frozenset[str]
    obstacles: tuple[TrunklineError, ...]
    """Secrets that are missing and hosts that cannot be reached; the preflight tells them with the rest."""
    secrets: dict[str, str] = field(repr=False)


@contextmanager
def opened(target: Target, console: Console) -> Iterator[Session]:
    """Connect to the chosen hosts with the environment's secrets; raises nothing for a host that fails."""
    obstacles: list[TrunklineError] = []
    secrets: dict[str, str] = {}
    try:
        secrets = store_of(target).needed(target.environment.secrets())
    except TrunklineError as error:
        obstacles.append(error)
    with Engine(target.environment, target.instance, debug=console.debug) as engine:
        with console.progress("connect") as board:
            for name in target.names:
                board.working(name, "connect")
            states = engine.open(target.names, secrets=secrets)
        obstacles += [_unreachable(state) for state in states if state.state != "connected"]
        reached = frozenset(state.host for state in states if state.state == "connected")
        yield Session(engine, reached, tuple(obstacles), secrets)


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
