"""Rows that are put to the test at every run: a sample of what `invoke prove` runs whole.

Which rows are sampled depends on the commit: over time every one has its turn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from prove import ledger
from prove.proving import put
from prove.row import Row
from prove.stage import Stage
from prove.tables import TABLES


def sample(table: str, number: int) -> Sequence[Row]:
    """Choose rows of a table by the commit, of those that were proven once: what was must stay so."""
    chance = random.Random(f"{table} {ledger.subject().commit.rstrip('+')}")
    kept = ledger.read(table)
    once = [row for row in TABLES[table] if row.name in kept and kept[row.name].verdict == "proven"]
    return chance.sample(once, number)


def proven(row: Row, stage: Stage) -> None:
    """Put a row to the test; fail with what was seen instead."""
    result = put(row, stage, ledger.subject())
    assert result.verdict == "proven", result.seen
