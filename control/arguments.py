"""What a person types, checked before anything happens."""

from __future__ import annotations

import os
from pathlib import Path

from control.errors import TrunklineError


def number(option: str, text: str, least: int, most: int) -> int:
    """Return a whole number from an option's text; raises TrunklineError naming what is allowed."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise TrunklineError(f"--{option} {text!r} cannot be used.", f"Give a number from {least} to {most}.")
    return value


def writable(**named: str) -> dict[str, Path]:
    """Return the files that are to be written, by option; an option that names none is left out.

    Raises TrunklineError before any work where one cannot be written.
    """
    paths = {option: Path(text).absolute() for option, text in named.items() if text}
    for option, path in paths.items():
        if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise TrunklineError(
                f"--{option} {named[option]!r} cannot be written.",
                "Name a file in a directory that is there and yours.",
            )
    return paths
