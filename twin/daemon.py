"""Processes of ours that outlive the command that started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from control.errors import TrunklineError
from twin.cgroup import Cgroup

PATIENCE = 120.0
"""Seconds until a daemon of the twin that lives must serve: on a busy disk one sync takes half a minute."""


class _Record(NamedTuple):
    pid: int
    started: int | None
    argv: list[str]


class Daemon:
    """A background process with a record on disk: its pid, when it started, what it runs."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.record = directory / f"{name}.daemon"
        self.log = directory / f"{name}.log"

    def start(self, argv: Sequence[str], cgroup: Cgroup, ready: Path | None = None) -> None:
        """Start it, or leave it alone when the same command runs already.

        `ready` is a file that the process makes when it serves; it is waited for.
        """
        wanted = [*argv]
        if self.alive():
            if self._read().argv == wanted:
                return
            self.stop()
        if ready:
            ready.unlink(missing_ok=True)
        self.record.parent.mkdir(parents=True, exist_ok=True)
        cgroup.create()
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*cgroup.prefix(), *wanted],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        temporary = self.record.with_suffix(".new")
        temporary.write_text(json.dumps([process.pid, started(process.pid), wanted]))
        temporary.rename(self.record)
        if ready:
            self.serves(ready.exists)

    def serves(self, answers: Callable[[], object], said: Callable[[], str] | None = None) -> None:
        """Wait until it answers; TrunklineError where it ends before that, with the end of what it `said`."""
        end = time.monotonic() + PATIENCE
        while not answers():
            lives = self.alive()
            if not lives or time.monotonic() > end:
                how = f"does not serve within {PATIENCE:.0f} s" if lives else "does not start"
                told = (said or self._printed)().strip()[-400:]
                raise TrunklineError(f"{self.name} of the twin {how}: {told or 'it says nothing'}")
            time.sleep(0.02)

    def _printed(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process that was started last, 0 where none was."""
        return self._read().pid

    def alive(self) -> bool:
        """Say whether the process that was started is still the one with its pid."""
        record = self._read()
        return record.started is not None and started(record.pid) == record.started

    def stop(self, wait: float = 5, number: int = signal.SIGTERM) -> None:
        """End it: politely, after `wait` seconds by force. Never touches a pid that is not ours any more."""
        record = self._read()
        end = time.monotonic() + wait
        if self.alive():
            _signal(record.pid, number)
        while self.alive():
            if time.monotonic() > end:
                _signal(record.pid, signal.SIGKILL)
            time.sleep(0.01)
        self.record.unlink(missing_ok=True)

    def _read(self) -> _Record:
        try:
            return _Record(*json.loads(self.record.read_text()))
        except (OSError, ValueError):
            return _Record(0, None, [])


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def started(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot, proc_pid_stat(5)); None when it is dead."""
    with suppress(OSError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    return None
