"""Errors a person reads: one clear sentence and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence


class TrunklineError(Exception):
    """Something went wrong; `remedy` says what to do. Ends a command with exit code 1, never a traceback."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}\n  {remedy}" if remedy else message)


class Several(TrunklineError):
    """All that stands in the way, told at once; each part is an error with its own remedy."""

    def __init__(self, parts: Sequence[TrunklineError]) -> None:
        self.parts = tuple(parts)
        super().__init__("\n".join(str(part) for part in parts))


class Interrupted(TrunklineError):
    """A person ended the command; says what was done and what was not."""


def raise_all(parts: Sequence[TrunklineError]) -> None:
    """Raise what was collected: nothing, the only error, or several as one."""
    if len(parts) == 1:
        raise parts[0]
    if parts:
        raise Several(parts)
