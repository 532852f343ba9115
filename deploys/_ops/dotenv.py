"""Environment files as Compose reads them (compose-go's dotenv)."""

from __future__ import annotations

import re

from control.errors import TrunklineError

UNSPEAKABLE = re.compile(r"\\'|\\$|[\0\r]")
"""What no quoting of Compose before 2.30 can express: a backslash before a quote or at the end, CR, NUL."""


def dotenv(key: str, value: str) -> str:
    """Return one line, in which nothing is expanded; raises TrunklineError for a value that has no form."""
    if UNSPEAKABLE.search(value):
        raise TrunklineError(
            f"The value of {key} cannot be written into an environment file for Compose: "
            "it has a carriage return, or a backslash at its end or before an apostrophe.",
            f"Give {key} another value, or give it to the container as a file (`files=`).",
        )
    return f"{key}='" + value.replace("'", "\\'") + "'"
