"""Arguments that every probe takes on its command line, and how it prints what it saw."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class Arguments(argparse.ArgumentParser):
    """A command line that says in one sentence what is wrong with it, and where to read what is right."""

    def error(self, message: str) -> NoReturn:
        """Say it and end with 2, as for every misuse of a command."""
        said = message.removeprefix("argument ")
        self.exit(2, f"error: {said}.\n  See what it takes: {self.prog} --help\n")


def ports(text: str) -> tuple[int, ...]:
    """Read `22,80,8000-8010` as port numbers, sorted and each once; ArgumentTypeError says what is wrong."""
    found: set[int] = set()
    for part in filter(None, (item.strip() for item in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise argparse.ArgumentTypeError(f"{part!r} is not a port or a range such as 8000-8010")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= 65535:
            raise argparse.ArgumentTypeError(f"{part!r} is not within 1-65535 or ends before it starts")
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def ranges(numbers: Iterable[int]) -> str:
    """Write port numbers in the form that `ports` reads: the shortest list of ranges."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with what every probe has: the address, a time limit, a source address, JSON."""
    made = Arguments(prog=f"python -m {module}", description=description)
    made.add_argument("address", metavar="HOST", help="IPv4 or IPv6 address, or a name")
    made.add_argument("--timeout", type=float, default=2.0, help="seconds to wait for one answer (default 2)")
    made.add_argument("--source", help="local address to look from")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return made


def show(result: dict[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """Print what was seen: one JSON object, or lines for a person."""
    sys.stdout.write((json.dumps(result) if as_json else "\n".join(lines)) + "\n")
