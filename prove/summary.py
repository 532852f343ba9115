"""The recorded results as one page, `proofs/README.md`, and as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table

from prove import ledger
from prove.ledger import Result
from prove.row import Row

HEAD = """# Proofs

Written by `invoke prove`, never by hand: each row starts from a healthy twin (or a fresh one), is put to the
test, and its result is kept here with the commit it was about (`+`: the tree differed) and how long it took.
"""


def write(tables: Iterable[tuple[str, Sequence[Row]]]) -> None:
    """Write `proofs/README.md` from what is recorded."""
    lines = [HEAD]
    for table, rows in tables:
        recorded = ledger.read(table)
        proven = sum(1 for row in rows if row.name in recorded and recorded[row.name].verdict == "proven")
        lines.append(f"## {table}: {proven} of {len(rows)} proven\n")
        lines.append("| row | claim | verdict | seconds | commit |\n|---|---|---|---|---|")
        lines.extend(_lines(rows, recorded))
        lines.append("")
    ledger.PROOFS.mkdir(exist_ok=True)
    (ledger.PROOFS / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _lines(rows: Sequence[Row], recorded: dict[str, Result]) -> Iterator[str]:
    for row in rows:
        result = recorded.get(row.name)
        if result is None:
            yield f"| {row.name} | {row.claim} | not run | | |"
            continue
        verdict = result.verdict if result.verdict == "proven" else f"**disproved**: {_cell(result.seen)}"
        yield f"| {row.name} | {row.claim} | {verdict} | {result.seconds:g} | {result.commit} |"


def _cell(text: str, length: int = 300) -> str:
    flat = " ".join(text.replace("|", "/").split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def table(results: Iterable[tuple[Row, Result | None]]) -> Table:
    """Return the results as a table for the terminal."""
    shown = Table("row", "verdict", "seconds", "seen", title="proofs", title_justify="left")
    for row, result in results:
        if result is None:
            shown.add_row(row.id, "not run", "", row.claim)
        else:
            colour = "green" if result.verdict == "proven" else "red"
            seen = row.claim if result.verdict == "proven" else _cell(result.seen)
            shown.add_row(row.id, f"[{colour}]{result.verdict}[/]", f"{result.seconds:g}", seen)
    return shown
