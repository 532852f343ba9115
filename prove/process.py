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


def kill(process: subprocess.Popen[str], *, alone: bool = False) -> str:
    """Kill a program, and (unless it is to die `alone`) everything it started: nobody gets to clean up.

    Returns what it had said.
    """
    family = [process.pid] if alone else _family(process.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in family:
            _send(pid, number)
    said, _ = process.communicate(timeout=120)
    return said or ""


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


def _family(eldest: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    family = [eldest]
    for member in family:
        family.extend(children.get(member, []))
    return family


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
