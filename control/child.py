"""The engine's child process: start it, talk JSON lines with it, end it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from control.errors import TrunklineError
from control.event import Event, event_of

ROOT = Path(__file__).resolve().parent.parent
CLOSE_SECONDS = 60
LAST_WORDS = 3
"""Lines of the child's diagnostics that an error quotes."""


class EngineDied(TrunklineError):
    """The child process ended without an answer."""


class Child:
    """A running `python -m deploys._engine`. Ctrl-C does not reach it: its parent decides."""

    def __init__(self, prefix: list[str], env: Mapping[str, str], debug: bool) -> None:
        self._diagnostics: IO[str] | None = None if debug else tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "deploys._engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._diagnostics,
            text=True,
            cwd=ROOT,
            env=env,
            start_new_session=True,
        )

    @property
    def ended_by_itself(self) -> bool:
        """It has ended, and by no signal that kept it from cleaning up."""
        code = self._process.poll()
        return code is not None and code >= 0

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def send(self, message: dict[str, Any]) -> None:
        """Send one request; raises EngineDied."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._died() from error

    def receive(self) -> Event:
        """Return the next event; raises EngineDied when none will come."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        return event_of(json.loads(line))

    def end(self) -> list[Event]:
        """Let it release the lock and end; returns its last events. Killed when it takes over a minute."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        limit = threading.Timer(CLOSE_SECONDS, process.kill)
        limit.start()
        try:
            last = [event_of(json.loads(line)) for line in process.stdout]
            process.wait()
        finally:
            limit.cancel()
            process.stdout.close()
            if self._diagnostics is not None:
                self._diagnostics.close()
        return last

    def kill(self) -> None:
        """End it at once; the lock's lease runs out by itself."""
        self._process.kill()
        self._process.wait()

    def _died(self) -> EngineDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        words = "\n".join(self._words())
        return EngineDied(
            f"The engine ended without an answer ({how})." + (f"\n{words}" if words else ""),
            "Run the command again: the lock's lease ends by itself; --debug shows the engine's diagnostics.",
        )

    def _words(self) -> list[str]:
        if self._diagnostics is None or self._diagnostics.closed:
            return []
        self._diagnostics.seek(0)
        return self._diagnostics.read().strip().splitlines()[-LAST_WORDS:]
