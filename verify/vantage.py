"""Where one looks from: the controller (this process), and others whose network a probe is started in."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.children import run

ROOT = Path(__file__).resolve().parent.parent


class Unseen(Exception):
    """A probe that could not look; the message says why."""


@dataclass(frozen=True)
class Vantage:
    """A place in the network; `prefix` starts a program there."""

    name: str
    prefix: tuple[str, ...] = ()
    interface: str = ""
    """Where one looks at a cable: its end."""

    def probe(
        self, name: str, *arguments: str, timeout: float = 60, input: bytes | None = None
    ) -> dict[str, Any]:
        """Run `verify.probes.<name>` from here and return what it saw. Raises Unseen."""
        argv = [sys.executable, "-m", f"verify.probes.{name}", *arguments, "--json"]
        found: dict[str, Any] = json.loads(self.run(*argv, timeout=timeout, input=input))
        return found

    def run(self, *argv: str, timeout: float = 20, input: bytes | None = None) -> str:
        """Run a program from here, feed it `input`, and return what it prints. Raises Unseen."""
        try:
            done = run([*self.prefix, *argv], timeout=timeout, input=input, cwd=ROOT, env=_surroundings())
        except subprocess.TimeoutExpired as error:
            raise Unseen(f"{argv[0]} from {self.name} took longer than {timeout:.0f} s") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [
                f"ended with {done.returncode}"
            ]
            raise Unseen(f"from {self.name}: {lines[-1][:300]}")
        return done.stdout.decode(errors="replace")


def throw_away(version: int = 4) -> str:
    """Return an address of the stranger's own network that nobody else uses (RFC 5737, RFC 3849)."""
    if version == 6:
        return f"2001:db8:ffff::{secrets.randbelow(4096) + 4096:x}"
    return f"203.0.113.{secrets.randbelow(120) + 130}"


def _surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
