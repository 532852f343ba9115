"""The guard: a change that could lock us out returns by itself unless a new login proves that it did not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra import context
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.exceptions import ConnectError

from control.errors import TrunklineError
from deploys._engine import report
from deploys._ops import live
from deploys._ops.files import agent, agent_path, differing
from deploys._ops.managed import ManagedFile
from deploys._ops.operation import operation
from deploys._ops.script import command
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


def _endangered(files: Sequence[ManagedFile], sysctls: dict[str, str]) -> list[str]:
    """Name what is about to change among the guarded things."""
    changes = [file.path for file, _ in differing(files)] + list(off(sysctls))
    return changes + ["the kernel's ruleset"] * (not live.system()["firewall_loaded"])


@operation
def arm(guarded: Sequence[Guarded], files: Sequence[ManagedFile], sysctls: dict[str, str]) -> Iterator[Any]:
    """Arm the guard when one of the guarded services is about to change."""
    changes = _endangered(files, sysctls)
    if not changes:
        report.plan(None, "none")
        return
    report.plan(None, "change", "\n".join(f"returns by itself after {SECONDS} s: {name}" for name in changes))
    body = json.dumps({"services": [asdict(entry) for entry in guarded]})
    yield StringCommand(agent("guard", "arm", "--seconds", str(SECONDS)), _stdin=body)


@operation
def confirm(daemon: str | None) -> Iterator[Any]:
    """Log in anew and confirm over the new connection; always used with `_if`.

    `daemon` is the unit of an sshd that listens itself: it must have read what stands on the disk before the
    login, else its former configuration would be proven. A socket-activated one reads it at every start.
    """
    if daemon:
        yield command("sshd_settle", daemon)
    yield FunctionCommand(login_proven, (), {})
    yield command("guard_confirm", agent_path())


def login_proven() -> bool:
    """Open a new connection as the deploy user and go on over it; raises TrunklineError when that fails."""
    connector = context.host.connector
    if not hasattr(connector, "prove"):
        return True
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connector.prove()
        except ConnectError as problem:
            if time.monotonic() > end:
                reason, _, _ = str(problem).partition("\n")
                raise TrunklineError(f"No new login works: {reason}", REMEDY) from problem
            time.sleep(1)
        else:
            return True
