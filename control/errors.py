"""Errors a person reads: one clear sentence and what to do about it."""

from __future__ import annotations


class TrunklineError(Exception):
    """Something went wrong; `remedy` says what to do. Ends a command with exit code 1, never a traceback."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}\n  {remedy}" if remedy else message)
