"""What a deploy would change, host by host, with secrets masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from control.builds import built
from control.console import Console
from control.preflight import preflight
from control.session import opened
from control.target import Target

if TYPE_CHECKING:
    from control.engine import Step

NOTHING = 0
CHANGES = 2


def plan(target: Target, console: Console, *, adopt: bool) -> int:
    """Show what a deploy would change and change nothing; 0 when that is nothing, 2 otherwise."""
    with opened(target, console) as session, console.progress("plan") as board:
        preflight(session, target, board, adopt=adopt)
        images = built(target, board)
        for name in target.names:
            board.working(name, "plan")
        steps = session.engine.plan(target.names, images)
    tell(steps, target, console, diffs=True)
    return CHANGES if any(step.changes for step in steps) else NOTHING


def tell(steps: Sequence[Step], target: Target, console: Console, *, diffs: bool) -> None:
    """Show the steps that would do something, grouped by host, and their count."""
    for step in steps:
        console.event("step", phase="plan", host=step.host, step=step.step, change=step.kind, diff=step.diff)
    changing = [step for step in steps if step.changes]
    console.event("plan", changes=len(changing), steps=len(steps))
    if console.as_json:
        return
    for host in target.names:
        own = [step for step in changing if step.host == host]
        console.title(f"{host}: {_count(own)}")
        for step in own:
            console.say(f"  {step.step}  ({said(step.kind)})", "yellow")
            if diffs and step.diff:
                console.diff(step.diff)


def said(kind: str) -> str:
    """Say a step's kind in words."""
    word, _, other = kind.partition(":")
    return {"if": f"change if {other} changes", "unknown": f"unknown until {other}"}.get(word, kind)


def _count(steps: Sequence[Step]) -> str:
    if not steps:
        return "nothing would change"
    return f"{len(steps)} step{'s' if len(steps) > 1 else ''} would change something"
