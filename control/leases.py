"""The locks of one run: which were given back, and when the others end by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from control.event import LockEvent


class Leases:
    """What is known of the locks that this run has taken, or may have."""

    def __init__(self) -> None:
        self._seconds: dict[str, int] = {}
        self._ends: dict[str, datetime] = {}

    def taken(self, hosts: Iterable[str], seconds: int) -> None:
        """These hosts may be locked by us from now on; their leases last so many seconds unless renewed."""
        self._seconds |= dict.fromkeys(hosts, seconds)

    def kept(self, event: LockEvent) -> None:
        """A host did not answer when its lock was to be given back."""
        self._ends[event.host] = _in(event.seconds)

    def given_back(self) -> None:
        """Every other lock was given back."""
        self._seconds.clear()

    def lost(self) -> None:
        """Nobody gave back what was taken: the engine was killed."""
        self._ends |= {host: _in(seconds) for host, seconds in self._seconds.items()}
        self._seconds.clear()

    def told(self) -> str:
        """Say in one sentence what became of the locks; a lease ends at the latest when it says."""
        if not self._ends:
            return "The lock is released"
        latest = max(self._ends.values())
        seconds = max(0, round((latest - datetime.now(UTC)).total_seconds()))
        hosts = ", ".join(self._ends)
        return (
            f"The lock of {hosts} could not be given back: "
            f"its lease ends by itself by {latest:%H:%M:%S} UTC (in {seconds} s)"
        )


def _in(seconds: int) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
