"""A sheet for somebody else's console or form: part, field and value, with what one must know besides."""

from __future__ import annotations

from collections.abc import Iterable

from control.console import Console

COLUMNS = ("Part", "Field", "Value")
Row = tuple[str, str, str]


def present(
    console: Console, host: str, name: str, title: str, rows: Iterable[Row], notes: Iterable[str]
) -> None:
    """Show one sheet; for programs each row names its host and whom it is for."""
    if console.as_json:
        console.table("field", ("Host", "Peer", *COLUMNS), [(host, name, *row) for row in rows])
    else:
        console.title(title)
        console.table("field", COLUMNS, list(rows))
    for note in notes:
        console.warn(note)
