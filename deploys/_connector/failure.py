"""What can go wrong between the controller and a host, as sentences."""

from __future__ import annotations

from dataclasses import dataclass

from control.errors import TrunklineError


class Unreachable(TrunklineError):
    """A host cannot be reached, is not who it should be, or lets nobody in."""


class ConnectionLost(TrunklineError, OSError):
    """An established connection broke; what the running command did is not known.

    Also an OSError: pyinfra counts those as the operation's failure instead of its own.
    """


class TimedOut(TrunklineError, OSError):
    """A command ran longer than it may; it was ended on the host."""


class LockLost(TrunklineError, OSError):
    """The lock belongs to somebody else by now: nothing may be changed any more."""


class Refused(TrunklineError, OSError):
    """A change at a time when nothing may be changed: while planning, or without the lock."""


@dataclass(frozen=True)
class Failure:
    """The last command that failed on a host: what it said, never what it was."""

    sentence: str
    remedy: str = ""
    output: str = ""
    """The end of its output."""
