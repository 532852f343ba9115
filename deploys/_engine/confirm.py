"""Confirm a guard: over a login that a person could make anew, judged by what stands on the host's disk."""

from __future__ import annotations

import time
from typing import Any

from control.errors import TrunklineError
from deploys._connector.agent import answer
from deploys._connector.connection import Connection
from deploys._connector.failure import Refused
from deploys._connector.line import Line, tail
from deploys._ops.script import command
from inventories.model import Host

RETRY_SECONDS = 1.0


def confirm(line: Line, guard: str, units: tuple[str, ...], patience: float = 0) -> None:
    """Confirm this guard and no other, and go on over the new login; raises TrunklineError.

    sshd (`units`: its own, and its socket's) first takes on what stands on the disk. The host refuses a login
    from before that moment, or from another boot: another configuration may have let it in. `patience` is
    in seconds.
    """
    if not line.token:
        raise Refused(f"No guard of {line.name} may be confirmed: the lock is not held.")
    settled = _settled(line, units)
    fresh = new_login(line, patience)
    words = ["guard", "confirm", "--id", guard, "--settled", settled, "--token", str(line.token)]
    try:
        answer(fresh, words)
    except TrunklineError:
        fresh.close()
        raise
    line.connection.take_over(fresh)


def confirm_earlier(line: Line, host: Host) -> dict[str, Any]:
    """Confirm what an earlier deploy left armed, before this one changes anything; say what came of it.

    Never raises: a guard that cannot be confirmed returns by itself, and the answer says when.
    """
    result: dict[str, Any] = {"host": line.name, "armed": False, "ok": True}
    try:
        if not line.connection.alive:
            line.connection.take_over(line.connection.anew())
        armed = answer(line.connection, ["guard", "show"]).get("armed")
        if not armed:
            return result
        result |= {"armed": True, "returns_at": armed["deadline"]}
        confirm(line, armed["id"], host.release.ssh_units)
    except TrunklineError as error:
        returns = result.get("returns_at")
        waits = (
            f"It returns the host at {returns}." if returns else "A guard that is armed returns by itself."
        )
        return result | {"ok": False, "error": error.message, "remedy": f"{error.remedy} {waits}".strip()}
    return result


def new_login(line: Line, patience: float = 0) -> Connection:
    """Log in as the next person would, trying for `patience` seconds; raises TrunklineError."""
    end = time.monotonic() + patience
    while True:
        try:
            return line.connection.anew()
        except TrunklineError as error:
            if time.monotonic() > end or line.connection.abandoned:
                raise TrunklineError(f"No new login works: {error.message}", error.remedy) from error
            time.sleep(RETRY_SECONDS)


def _settled(line: Line, units: tuple[str, ...]) -> str:
    """Return since when sshd holds what stands on the disk, in the host's own words."""
    outcome = line.change(command("sshd_settle", *units))
    if outcome.code:
        raise TrunklineError(f"{line.name}: the guard is not confirmed: {tail(outcome)}", "Look at sshd.")
    return outcome.text.strip()
