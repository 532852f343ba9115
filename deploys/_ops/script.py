"""Programs of `deploys/_ops/scripts` as one shell command: their text travels in a heredoc."""

from __future__ import annotations

import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent / "scripts"
END = "END-OF-SCRIPT"


@cache
def text(name: str) -> str:
    """Return the source of one program."""
    return (SCRIPTS / f"{name}.py").read_text()


def command(name: str, *arguments: Any) -> str:
    """Return the shell command that runs a program; arguments other than strings go as JSON."""
    words = (a if isinstance(a, str) else json.dumps(a, separators=(",", ":")) for a in arguments)
    return f"python3 -I - {shlex.join(words)} <<'{END}'\n{text(name)}{END}\n"
