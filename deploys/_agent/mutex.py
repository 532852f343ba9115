"""One agent at a time: flock(2) on a file of the state directory, which a dead process gives up by itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator

from .places import state
from .problem import AgentError


@contextlib.contextmanager
def held(name: str, wait: float = 120.0, take_over: bool = False) -> Iterator[None]:
    """Hold the mutex `name` (`work`, `lock` or `manifest`).

    Waits `wait` seconds; then `take_over` kills the holder, whose work is safe to cut short, else
    AgentError.
    """
    fd = os.open(state(f"{name}.mutex"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _try_for(fd, wait):
            holder = _holder(fd)
            if take_over:
                _kill_tree(holder)
            if not take_over or not _try_for(fd, 5.0):
                raise AgentError(
                    f"another command of the agent (process {holder}) is still at work on this host"
                )
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(fd)


def _try_for(fd: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)


def _holder(fd: int) -> int:
    text = os.pread(fd, 32, 0).decode(errors="replace")
    return int(text) if text.isdigit() else 0


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _kill_tree(pid: int) -> None:
    """Stop the holder, then kill it with everything it started: a checker left alone would run on."""
    if pid <= 1 or pid == os.getpid():
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        for child in _children(pid):
            _kill_tree(child)
        os.kill(pid, signal.SIGKILL)
