"""Errors of the host agent: one sentence on stderr, an exit code, and what a program may read on stdout."""

from __future__ import annotations

from typing import Any

STALE = 97


class AgentError(Exception):
    """The command did nothing, or took back what it did; `report` is printed as JSON on stdout."""

    code = 1

    def __init__(self, sentence: str, **report: Any) -> None:
        self.sentence = sentence
        self.report: dict[str, Any] = report
        self.lines: list[str] = []
        """What belongs to the sentence and is told before it, a line each."""
        super().__init__(sentence)


class StaleToken(AgentError):
    """The caller's lock was taken over, released or revoked: nothing was done."""

    code = STALE
