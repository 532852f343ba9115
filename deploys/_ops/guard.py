"""The guard: a change that could lock us out returns by itself unless a new login proves that it did not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra import context
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.operation import OperationMeta

from control.errors import TrunklineError
from deploys._connector.line import Line
from deploys._engine import confirm as confirming
from deploys._engine import report
from deploys._ops import live
from deploys._ops.files import agent, differing
from deploys._ops.managed import ManagedFile
from deploys._ops.operation import operation
from deploys._ops.sysctl import off

SECONDS = 90
"""How long a host waits for the proof before it returns."""
PATIENCE = 20
"""Seconds in which a new login must succeed."""
REMEDY = (
    f"What was changed returns by itself within {SECONDS} s where the guard is armed; then look at the plan."
)


@dataclass(frozen=True)
class Guarded:
    """What one service could lock us out with, and how its return is made effective."""

    service: str
    files: tuple[str, ...]
    sysctls: tuple[str, ...] = ()
    routes: bool = False
    reload: tuple[tuple[str, ...], ...] = ()
    units: tuple[str, ...] = ()


def _ruleset() -> list[str]:
    return [] if live.system()["firewall_loaded"] else ["the kernel's ruleset"]


@operation
def arm(guarded: Sequence[Guarded], files: Sequence[ManagedFile], sysctls: dict[str, str]) -> Iterator[Any]:
    """Arm the guard when one of the guarded services is about to change."""
    yield from _armed(guarded, [*(file.path for file, _ in differing(files)), *off(sysctls), *_ruleset()])


@operation
def arm_again(guarded: Sequence[Guarded], files: Sequence[ManagedFile]) -> Iterator[Any]:
    """Arm the guard for what follows a proven login: these files, when they are about to change."""
    yield from _armed(guarded, [file.path for file, _ in differing(files)])


def _armed(guarded: Sequence[Guarded], changes: Sequence[str]) -> Iterator[Any]:
    if not changes:
        report.plan(None, "none")
        return
    report.plan(None, "change", "\n".join(f"returns by itself after {SECONDS} s: {name}" for name in changes))
    body = json.dumps({"services": [asdict(entry) for entry in guarded]})
    yield StringCommand(agent("guard", "arm", "--seconds", str(SECONDS)), _stdin=body)


@operation
def confirm(armed: OperationMeta, units: tuple[str, ...]) -> Iterator[Any]:
    """Log in anew and confirm the guard that `armed` has armed, no other; always used with `_if`.

    `units` are sshd's own unit and its socket's, where there is one.
    """
    yield FunctionCommand(own_guard_confirmed, (armed, units), {})


def own_guard_confirmed(armed: OperationMeta, units: tuple[str, ...]) -> bool:
    """Confirm our own guard over a new login and go on over that; raises TrunklineError when it fails."""
    line = _line()
    if line is not None:
        guard = str(json.loads(armed.stdout)["id"])
        _told(lambda: confirming.confirm(line, guard, units, PATIENCE))
    return True


def login_proven() -> bool:
    """Open a new connection as the deploy user and go on over it; raises TrunklineError when that fails."""
    line = _line()
    if line is not None:
        _told(lambda: line.connection.take_over(confirming.new_login(line, PATIENCE)))
    return True


def _line() -> Line | None:
    """Return the line to the present host; None where there is no host at all (pyinfra's fake connector)."""
    return getattr(context.host.connector, "line", None)


def _told(prove: Callable[[], None]) -> None:
    try:
        prove()
    except TrunklineError as error:
        raise TrunklineError(error.message, REMEDY) from error
