"""What a person sees while a command works, or the events that a program reads instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console as Terminal
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from control.advice import completed
from control.progress import Board, LiveBoard, PlainBoard, SilentBoard

COLOURS = {
    "ok": "green",
    "deployed": "green",
    "changed": "yellow",
    "warn": "yellow",
    "not proven": "yellow",
    "applied": "yellow",
    "fail": "red",
    "failed": "red",
    "down": "red",
    "blocked": "dim",
}
"""Words of state that stand out in tables."""


class Console:
    """Says things to a person, or as JSON lines to a program: each thing once, in one of the two forms."""

    def __init__(self, *, as_json: bool = False, debug: bool = False) -> None:
        self.as_json = as_json
        self.debug = debug
        self.terminal = Terminal(highlight=False, soft_wrap=True)
        self.errors = Terminal(stderr=True, highlight=False, soft_wrap=True)

    def event(self, event: str, **fields: Any) -> None:
        """Give a program one event; a person sees nothing of it."""
        if self.as_json:
            print(json.dumps({"event": event, **fields}, default=str), flush=True)

    def say(self, text: str, style: str = "") -> None:
        """Tell a person one line; as JSON it is a `note`."""
        text = completed(text)
        if self.as_json:
            self.event("note", text=text)
        else:
            self.terminal.print(Text(text, style=style))

    def title(self, text: str) -> None:
        """Begin a part of the output."""
        if not self.as_json:
            self.terminal.print()
            self.terminal.print(Text(text, style="bold"))

    def warn(self, text: str) -> None:
        """Tell something that needs attention but stops nothing."""
        text = completed(text)
        if self.as_json:
            self.event("warning", text=text)
        else:
            self.terminal.print(Text(text, style="yellow"))

    def table(self, event: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows; as JSON each row is one event named `event`."""
        if self.as_json:
            keys = [column.lower().replace(" ", "_") for column in columns]
            for row in rows:
                self.event(event, **dict(zip(keys, row, strict=True)))
            return
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_coloured(cell) for cell in row))
        Terminal(highlight=False, width=_width(self.terminal)).print(table)

    def diff(self, text: str) -> None:
        """Show a unified diff in colours; the caller has masked the secrets."""
        for line in text.splitlines():
            self.terminal.print(Text(f"    {line}", style=_diff_style(line)))

    def markup(self, text: str) -> None:
        """Tell a line in rich's own markup; use `escape` for anything that is data."""
        if not self.as_json:
            self.terminal.print(text)

    @contextmanager
    def progress(self, what: str) -> Iterator[Board]:
        """Show long work as it goes: host, step, elapsed; plain lines where stdout is no terminal."""
        board: Board
        if self.as_json:
            board = SilentBoard()
        elif self.terminal.is_terminal:
            board = LiveBoard(self.terminal, what)
        else:
            board = PlainBoard(what)
        with board:
            yield board


def _coloured(cell: str) -> str:
    word = cell.split(":")[0].split(",")[0].strip()
    colour = COLOURS.get(word)
    return f"[{colour}]{escape(cell)}[/]" if colour else escape(cell)


def _width(terminal: Terminal) -> int:
    """Let a table be as wide as it needs where nobody looks at a screen."""
    return terminal.width if terminal.is_terminal else 160


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    if line.startswith("@@"):
        return "cyan"
    return {"+": "green", "-": "red"}.get(line[:1], "")


def stdin_is_terminal() -> bool:
    """Say whether a person can answer a question."""
    return sys.stdin.isatty()
