"""The catalogue of checks: what each claims, what it needs first, and which fault makes it fail."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., None])
HERE = Path(__file__).resolve().parent
LET_IN = "reach.controller_is_let_in"
"""What every look from inside the host needs."""
LOOKS_INSIDE = frozenset(
    {"live", "box", "sshd", "asked_now", "through", "arrivals", "on_the_cable", "by_sip"}
)
"""Fixtures that look from inside the host."""


@dataclass(frozen=True)
class Check:
    """One check function."""

    id: str
    service: str
    claim: str
    faults: tuple[str, ...]
    """The recorded faults that make this check the root cause."""
    needs: tuple[str, ...]
    remedy: str
    disruptive: bool
    last: bool
    """It runs behind all others: what they name as a root cause it does not tell again."""
    applies: Callable[[Any], bool] | None
    """Whether a host (a model record) has what the check is about; None means every host has."""


def check(
    *,
    fault: str | tuple[str, ...],
    remedy: str,
    needs: tuple[str, ...] = (),
    disruptive: bool = False,
    last: bool = False,
    applies: Callable[[Any], bool] | None = None,
) -> Callable[[F], F]:
    """Declare a check. The function's name is its claim, its module's name the service it belongs to.

    What follows an underscore in the module's name only tells the files of one service apart.
    `disruptive`: it disturbs a host or takes long, and runs only when asked to. `last`: behind all others.
    """

    def declare(function: F) -> F:
        service = function.__module__.rpartition(".")[2].removeprefix("test_").partition("_")[0]
        name = function.__name__.removeprefix("test_")
        inside = LOOKS_INSIDE & set(inspect.signature(function).parameters)
        first = (LET_IN,) if inside and f"{service}.{name}" != LET_IN else ()
        function.check = Check(  # type: ignore[attr-defined]
            id=f"{service}.{name}",
            service=service,
            claim=name.replace("_", " "),
            faults=(fault,) if isinstance(fault, str) else fault,
            needs=(*first, *needs),
            remedy=remedy,
            disruptive=disruptive,
            last=last,
            applies=applies,
        )
        return function

    return declare


def check_of(function: object) -> Check | None:
    """Return what was declared of a function, or None when it is no check."""
    found = getattr(function, "check", None)
    return found if isinstance(found, Check) else None


def catalogue() -> tuple[Check, ...]:
    """Return every check of the project, by service."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f"verify.{path.stem}")
        found += [c for value in vars(module).values() if (c := check_of(value)) is not None]
    return tuple(found)


def in_order(checks: dict[str, Check]) -> list[str]:
    """Return the ids so that each comes after what it needs, and what disturbs after what only looks."""
    depth: dict[str, int] = {}

    def deep(id: str) -> int:
        if id not in depth:
            depth[id] = 0  # a circle would end here; the tests refuse one
            depth[id] = 1 + max((deep(need) for need in checks[id].needs if need in checks), default=-1)
        return depth[id]

    return sorted(checks, key=lambda id: (checks[id].last, checks[id].disruptive, deep(id)))
