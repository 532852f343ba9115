"""The list of commands, for somebody who typed none."""

from __future__ import annotations

from invoke.collection import Collection
from rich.console import Console as Terminal
from rich.table import Table


def tell(about: str, namespace: Collection) -> None:
    """Show what Trunkline is, each command with its sentence, and how to go on."""
    terminal = Terminal(highlight=False)
    terminal.print(about.strip().splitlines()[0])
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for name, sentence in sentences(namespace):
        table.add_row(f"[bold]{name}[/]", sentence)
    terminal.print(table)
    terminal.print("`invoke COMMAND --help` explains a command's options. First: `invoke deploy --env lab`.")


def sentences(namespace: Collection) -> list[tuple[str, str]]:
    """Return every command's name and the first sentence of its help, in their order."""
    names = [name for name in namespace.task_names if name != "commands"]
    return [(name, (namespace[name].__doc__ or "").strip().splitlines()[0]) for name in names]
