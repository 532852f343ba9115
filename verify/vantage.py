"""Where one looks from: the controller (this process), and others whose network a probe is started in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from random import SystemRandom
from typing import Any

from verify.children import run
from verify.station import ROOT, Station, surroundings


class Unseen(Exception):
    """A probe that could not look; the message says why."""


@dataclass(frozen=True)
class Vantage:
    """A place in the network; `prefix` starts a program there."""

    name: str
    prefix: tuple[str, ...] = ()
    interface: str = ""
    """Where one looks at a cable: its end."""
    enter: tuple[str, ...] = ()
    """The twin and the node that `prefix` leads into."""
    station: Station | None = field(default=None, repr=False, compare=False)
    """Where probes are forked, where there is one that gets there."""

    def probe(
        self, name: str, *arguments: str, timeout: float = 60, input: bytes | None = None
    ) -> dict[str, Any]:
        """Run `verify.probes.<name>` from here and return what it saw. Raises Unseen."""
        module, arguments = f"verify.probes.{name}", (*arguments, "--json")
        if self.station is None:
            said = self.run(sys.executable, "-m", module, *arguments, timeout=timeout, input=input)
        else:
            start = partial(self.station.run, module, arguments, enter=self.enter, input=input)
            said = self._said(module, start, timeout)
        found: dict[str, Any] = json.loads(said)
        return found

    def run(self, *argv: str, timeout: float = 20, input: bytes | None = None) -> str:
        """Run a program from here, feed it `input`, and return what it prints. Raises Unseen."""
        start = partial(run, [*self.prefix, *argv], input=input, cwd=ROOT, env=surroundings())
        return self._said(argv[0], start, timeout)

    def _said(
        self, what: str, start: Callable[..., subprocess.CompletedProcess[bytes]], timeout: float
    ) -> str:
        try:
            done = start(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise Unseen(f"{what} from {self.name} took longer than {timeout:.0f} s") from error
        except OSError as error:
            raise Unseen(f"{what} cannot be started from {self.name}: {error.strerror}") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [
                f"ended with {done.returncode}"
            ]
            raise Unseen(f"from {self.name}: {lines[-1][:300]}")
        return done.stdout.decode(errors="replace")


def throw_away(version: int = 4) -> str:
    """Return an address of the stranger's own network that nobody else uses (RFC 5737, RFC 3849).

    Each look of a run gets another one: two that look at a time cannot both borrow the same.
    """
    return next(_NOBODYS[version])


def _nobodys(prefix: str, written: str, numbers: range) -> Iterator[str]:
    """Yield every address of a range in turn, again and again, each run in an order of its own."""
    return cycle([f"{prefix}{number:{written}}" for number in SystemRandom().sample(numbers, len(numbers))])


_NOBODYS = {
    4: _nobodys("203.0.113.", "d", range(130, 250)),
    6: _nobodys("2001:db8:ffff::", "x", range(4096, 8192)),
}
