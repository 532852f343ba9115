"""An invoke task of ours: every option explained, every end a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec

from invoke.tasks import task

from control.ending import ended

P = ParamSpec("P")

OPTIONS = {
    "env": "Environment: the name of a file in inventories/ (default: lab, which lives in a twin).",
    "limit": "Only these hosts: names separated by commas (default: all).",
    "twin": "Name of the twin, for several of one environment side by side (default: the environment's).",
    "json": "Events for programs, one JSON object a line on stdout, and nothing else there.",
    "debug": "Show tracebacks and the engine's own words when something fails.",
    "wait": "Seconds to wait for a lock that somebody else holds (default: 0, name the holder and end).",
    "adopt": "Take over hosts that have firewall rules or keys of their own; they are shown in the plan.",
    "length": "Characters of a generated value, 16 to 512 (default: 43, about 256 bits).",
    "host": "Only this host.",
}
"""Help of the options that several commands share."""


def command(called: str | None = None, /, **helps: str) -> Callable[[Callable[P, int | None]], Any]:
    """Make an invoke task of a body that returns its exit code.

    `helps` explains the options of this command alone. Raises TypeError, at import, for an option that
    nobody explained.
    """

    def made(body: Callable[P, int | None]) -> Any:
        names = [each for each in inspect.signature(body).parameters if each != "c"]
        missing = [each for each in names if each not in helps and each not in OPTIONS]
        if missing or not body.__doc__:
            raise TypeError(f"{body.__name__}: nobody explained {', '.join(missing) or 'what it does'}")
        shown = {each: helps.get(each, OPTIONS.get(each, "")) for each in names}
        made_task: Any = task(ended(body), name=called, help=shown, auto_shortflags=False)
        return made_task

    return made
