"""What a person types, checked before anything happens."""

from __future__ import annotations

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
