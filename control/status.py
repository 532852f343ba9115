"""What each host says of itself: up, last deploy, lock, guard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from control.console import Console
from control.target import Target
from control.verification import VERDICTS

if TYPE_CHECKING:
    from control.engine import Engine

COLUMNS = ("Host", "State", "Deployed", "By", "When", "Verify", "Lock", "Guard")


def status(target: Target, console: Console) -> None:
    """Show one line a host, also for those that cannot be reached."""
    from control.engine import Engine

    with Engine(target.environment, target.instance, debug=console.debug) as engine:
        with console.progress("status") as board:
            for name in target.names:
                board.working(name, "connect")
            states = engine.open(target.names)
        rows = [_row(engine, state) for state in states]
    console.table("status", COLUMNS, rows)


def _row(engine: Engine, state: Any) -> tuple[str, ...]:
    if state.state != "connected":
        return (state.host, f"down: {state.error}", *("" for _ in COLUMNS[2:]))
    answer = engine.agent(state.host, ["state"])
    try:
        held = json.loads(answer.stdout)
    except ValueError:
        return (state.host, f"failed: {answer.stderr.strip()}", *("" for _ in COLUMNS[2:]))
    up = f"warn: {held['problems'][0]}" if held.get("problems") else f"ok, as {state.user}"
    return (state.host, up, *deployed(held.get("release")), lock(held.get("lock")), guard(held.get("guard")))


def deployed(release: dict[str, Any] | None) -> tuple[str, str, str, str]:
    """Return commit, who, when and what verify said, from a host's own record."""
    if not release:
        return ("never", "", "", "")
    verdicts = release.get("verdicts") or {}
    said = ", ".join(f"{verdicts[each]} {each}" for each in VERDICTS if each in verdicts) or "not run"
    return (release.get("commit", ""), release.get("who", ""), release.get("when", ""), said)


def lock(held: dict[str, Any] | None) -> str:
    """Say who holds a host's lock and for what, and how long the lease still runs."""
    if not held:
        return "free"
    return f"{held['holder']}: {held['purpose']} ({held['remaining']} s)"


def guard(shown: dict[str, Any] | None) -> str:
    """Say whether a guard is armed, and when it returns; else what became of the last one."""
    armed, last = (shown or {}).get("armed"), (shown or {}).get("last")
    if armed:
        return f"armed: returns {', '.join(armed['services'])} in {armed['remaining']} s"
    return f"last {last['outcome']} {last['when']}" if last else "none"
