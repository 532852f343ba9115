"""Programs that the looks start: known while they run, so that an interrupted run leaves none behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any

_running: set[subprocess.Popen[bytes]] = set()
_forked: set[int] = set()
_guard = threading.Lock()


def run(
    argv: Sequence[str], *, timeout: float, input: bytes | None = None, **popen: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run a program and return what it printed. Raises subprocess.TimeoutExpired after having ended it."""
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with subprocess.Popen(
        argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen
    ) as child:
        with _guard:
            _running.add(child)
        try:
            out, err = child.communicate(input, timeout)
        except BaseException:
            child.kill()
            raise
        finally:
            with _guard:
                _running.discard(child)
        return subprocess.CompletedProcess(argv, child.returncode, out, err)


@contextlib.contextmanager
def forked(pid: int) -> Iterator[None]:
    """Know a process that somebody else has started, while it runs."""
    with _guard:
        _forked.add(pid)
    try:
        yield
    finally:
        with _guard:
            _forked.discard(pid)


def end_all() -> None:
    """Ask every program that still runs to end."""
    with _guard:
        for child in _running:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        for pid in _forked - {0}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
