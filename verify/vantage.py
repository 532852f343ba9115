"""Where one looks from: the controller (this process), and others whose network a probe is started in."""

from __future__ import annotations

import json
import os
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

    def probe(self, name: str, *arguments: str, timeout: float = 60) -> dict[str, Any]:
        """Run `verify.probes.<name>` from here and return what it saw. Raises Unseen."""
        argv = [*self.prefix, sys.executable, "-m", f"verify.probes.{name}", *arguments, "--json"]
        return self._json(argv, timeout)

    def run(self, *argv: str, timeout: float = 20) -> str:
        """Run a program from here and return what it prints. Raises Unseen."""
        try:
            done = run([*self.prefix, *argv], timeout=timeout, cwd=ROOT, env=_surroundings())
        except subprocess.TimeoutExpired as error:
            raise Unseen(f"{argv[0]} from {self.name} took longer than {timeout:.0f} s") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [
                f"ended with {done.returncode}"
            ]
            raise Unseen(f"from {self.name}: {lines[-1][:300]}")
        return done.stdout.decode(errors="replace")

    def _json(self, argv: list[str], timeout: float) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*argv[len(self.prefix) :], timeout=timeout))
        return found


def _surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
