"""Why a command failed on a host, as far as what it said tells: one sentence, and what to do about it."""

from __future__ import annotations

from deploys._connector.connection import KILLED, Outcome
from deploys._connector.failure import Failure
from deploys._connector.line import tail

DO = "do: "
"""A program of ours that knows what to do ends with two lines: the sentence, and this with the remedy."""
NO_ROOM = "No space left on device"
"""ENOSPC, as every program and every language says it in the C locale."""
FULL = Failure(
    "A disk of the host is full.",
    "Make room there (`df -h` says where; `apt-get clean`, `journalctl --vacuum-size=100M`, or a larger "
    "disk), then deploy again.",
)

SIGNALS = range(129, 160)
"""How a shell tells that a signal ended a program."""
FIND_OUT = (
    "Find out there who did it (`journalctl -e` shows a shutdown, or a want of memory), then deploy again."
)


def failure_of(outcome: Outcome) -> Failure:
    """Return the failure that a command's end is; what it said comes with it, the sentence only once."""
    lines = tail(outcome).splitlines()
    if len(lines) > 1 and lines[-1].startswith(DO):
        return Failure(lines[-2], lines[-1].removeprefix(DO), "\n".join(lines[:-2]))
    said = "\n".join(lines)
    if NO_ROOM in f"{outcome.errors}{outcome.text}":
        return Failure(FULL.sentence, FULL.remedy, said)
    if outcome.code in SIGNALS:
        return Failure(f"A command was killed by signal {outcome.code - 128}.", FIND_OUT, said)
    if outcome.code == KILLED:
        return Failure("A command was killed.", FIND_OUT, said)
    return Failure(f"A command failed with exit code {outcome.code}.", "", said)
