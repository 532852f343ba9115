"""A program that is run to its end, with everything it said and how long it took."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prove.row import Disproved, require


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code (negative: the signal), its words, its seconds."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Everything it said."""
        return self.stdout + self.stderr

    @property
    def tail(self) -> str:
        """Its last words, for an error message."""
        return " | ".join(line.strip() for line in self.output.splitlines()[-12:] if line.strip())

    def expect(self, *codes: int) -> Ended:
        """Return itself; raise Disproved unless it ended with one of these codes."""
        wanted = " or ".join(map(str, codes))
        require(
            self.code in codes, f"{' '.join(self.argv)} ended with {self.code}, not {wanted}: {self.tail}"
        )
        return self


def started(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program in a session of its own, without stdin."""
    return subprocess.Popen(
        argv, cwd=cwd, env=dict(env), text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a program and everything it started in its session; nobody gets to clean up."""
    for pid in _session(process.pid):
        _kill(pid)
    process.communicate()


def ended(process: subprocess.Popen[str], timeout: float, since: float | None = None) -> Ended:
    """Wait for a program's end; after `timeout` seconds kill it and raise Disproved."""
    since = time.monotonic() if since is None else since
    argv = tuple(map(str, process.args)) if isinstance(process.args, list | tuple) else (str(process.args),)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill(process)
        raise Disproved(f"{' '.join(argv)} did not end within {timeout:.0f} s") from None
    except BaseException:
        kill(process)
        raise
    return Ended(argv, process.returncode, stdout, stderr, round(time.monotonic() - since, 1))


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float = 300) -> Ended:
    """Run a program to its end."""
    since = time.monotonic()
    return ended(started(argv, cwd, env), timeout, since)


def _session(leader: int) -> list[int]:
    """Return the processes of a session, its leader first, so that nobody sees a child die before."""
    members = [leader]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != leader:
            try:
                if os.getsid(int(entry.name)) == leader:
                    members.append(int(entry.name))
            except ProcessLookupError:
                continue
    return members


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
