"""Run rows: choose them, put each to the test within its time, keep what came of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType

from rich.console import Console

from control.errors import TrunklineError
from prove import ledger, summary
from prove.ledger import Result, Subject
from prove.row import Disproved, Evidence, Row
from prove.stage import Stage
from prove.tables import TABLES

DEFAULT_TWIN = "prove"
"""Never the lab's own twin: rows break it."""
FROM_SCRATCH = 900
"""Seconds more for a row that has to make its state first: images, a whole deploy."""


def run(rows: Sequence[str] = (), *, list_only: bool = False, again: bool = False) -> int:
    """Run the named rows or tables (all when none is named); return 0 when every one of them is proven.

    A row that is proven for this very state of the source is not run again, unless `again`, or unless it
    is named itself. Raises TrunklineError for a name that is no row.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended is tidied up, too
    chosen = choose(rows)
    console = Console(highlight=False, soft_wrap=True)
    now = ledger.subject()
    if list_only:
        console.print(summary.table((row, ledger.read(row.table).get(row.name)) for row in chosen))
        return 0
    stages = Stages(os.environ.get("TRUNKLINE_TWIN") or DEFAULT_TWIN, lambda told: console.print(f"  {told}"))
    with closing(stages):
        for number, row in enumerate(chosen, 1):
            kept = ledger.read(row.table).get(row.name)
            if (
                kept
                and kept.verdict == "proven"
                and kept.state == now.state
                and not again
                and not row.needs
                and row.id not in rows
            ):
                continue
            console.print(f"[{number}/{len(chosen)}] {row.id}: {row.claim}", markup=False)
            result = put(row, stages.of(row), now)
            ledger.record(row.table, result, tuple(each.name for each in TABLES[row.table]))
            summary.write(TABLES.items())
            console.print(f"  {result.verdict} after {result.seconds:g} s {result.seen}", markup=False)
    results = [(row, ledger.read(row.table).get(row.name)) for row in chosen]
    console.print(summary.table(results))
    return 0 if all(result and result.verdict == "proven" for _, result in results) else 1


class Stages:
    """A stage for each set of hosts that rows take, made when it is wanted; one is up at a time."""

    def __init__(self, name: str, tell: Callable[[str], None]) -> None:
        self._name, self._tell = name, tell
        self._made: dict[tuple[str, ...], Stage] = {}
        self._last: Stage | None = None

    def of(self, row: Row) -> Stage:
        """Return the stage that a row is put to the test on."""
        if row.hosts not in self._made:
            name = "-".join((self._name, *row.hosts))
            self._made[row.hosts] = Stage(name, self._tell, row.hosts)
        stage = self._made[row.hosts]
        if self._last is not None and self._last is not stage:
            self._last.twin.down()  # a machine has room for a dozen hosts
        self._last = stage
        return stage

    def close(self) -> None:
        """Give back what the stages hold of the file system; their twins stay for the next run."""
        for stage in self._made.values():
            stage.close()


def choose(names: Sequence[str]) -> list[Row]:
    """Return the rows that are named by themselves or by their table, in the tables' order."""
    rows = [row for table in TABLES.values() for row in table]
    unknown = [name for name in names if name not in TABLES and name not in {row.id for row in rows}]
    if unknown:
        raise TrunklineError(
            f"There is no row or table {', '.join(unknown)}.",
            f"Tables: {', '.join(TABLES)}; `invoke prove --list` names every row.",
        )
    return [row for row in rows if not names or row.table in names or row.id in names]


def put(row: Row, stage: Stage, now: Subject) -> Result:
    """Put one row to the test; whatever goes wrong, it is disproved with a sentence."""
    since = time.monotonic()
    evidence: Evidence = {}
    verdict: ledger.Verdict = "disproved"
    try:
        with within(row.limit + FROM_SCRATCH):
            stage.started = time.monotonic()
            evidence = row.put(stage)
        spent = time.monotonic() - stage.started
        if spent > row.limit:
            raise Disproved(f"it took {spent:.0f} s, more than {row.limit} s")
        verdict, seen = "proven", ""
    except Disproved as disproved:
        seen = str(disproved)
    except TrunklineError as error:
        seen = f"the twin failed: {error.message}"
    except Exception as error:
        seen = f"the row itself broke: {type(error).__name__}: {error}"
    return now.result(row.name, row.claim, verdict, seen, time.monotonic() - since, dict(evidence))


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise Disproved in what runs inside when it takes longer than this."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Disproved(f"it did not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
