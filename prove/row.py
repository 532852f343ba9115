"""A row of a table of proofs: one claim, and how it is put to the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prove.stage import Stage

Evidence = Mapping[str, object]


class Disproved(Exception):
    """The claim does not hold; the message says in one sentence what was seen instead."""


@dataclass(frozen=True)
class Row:
    """One claim. `put` runs it on the stage, returns what was seen, or raises Disproved."""

    table: str
    name: str
    claim: str
    put: Callable[[Stage], Evidence]
    limit: int = 300
    """Seconds after which the row counts as disproved."""
    hosts: tuple[str, ...] = ()
    """The hosts of the lab that it takes; none: all of them."""
    needs: tuple[str, ...] = ()
    """Tables whose recorded results this row reads: they may be others by now, so it is judged each time."""

    @property
    def id(self) -> str:
        """The row's name on the command line: `faults.rule-by-hand`."""
        return f"{self.table}.{self.name}"


def require(holds: object, sentence: str) -> None:
    """Raise Disproved with this sentence unless it holds."""
    if not holds:
        raise Disproved(sentence)
