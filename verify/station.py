"""Starts probes from one process that has imported what they share: a fork costs less than an interpreter."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from verify import children

ROOT = Path(__file__).resolve().parent.parent


class Station:
    """One forking process (verify.forker), in the network that it is made in. Its methods are thread-safe."""

    def __init__(self) -> None:
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "verify.forker"],
                stdin=asked.fileno(), stdout=subprocess.DEVNULL, cwd=ROOT, env=surroundings(),
            )  # fmt: skip
        self._guard = threading.Lock()

    def run(
        self, module: str, arguments: Sequence[str], *,
        enter: Sequence[str] = (), input: bytes | None = None, timeout: float,
    ) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
        """Run a module's `main` in a process of its own and return what it printed; `timeout` in seconds.

        `enter` names a twin and the node whose network it looks from. Raises subprocess.TimeoutExpired after
        having ended it, OSError where the forking process is gone.
        """
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        try:
            os.write(files[0], input or b"")
            os.lseek(files[0], 0, os.SEEK_SET)
            code = self._code({"module": module, "arguments": arguments, "enter": enter}, files, timeout)
            out, err = (os.pread(file, os.fstat(file).st_size, 0) for file in files[1:])
            return subprocess.CompletedProcess([module, *arguments], code, out, err)
        finally:
            for file in files:
                os.close(file)

    def close(self) -> None:
        """End the forking process; a probe that still runs is not waited for."""
        self._asking.close()
        self._process.terminate()
        self._process.wait()

    def _code(self, message: Mapping[str, object], files: Sequence[int], timeout: float) -> int:
        """Start it and return its exit code, -9 where it ended without one."""
        told, tell = os.pipe()
        with open(told, "rb", buffering=0) as ends:
            try:
                with self._guard:
                    socket.send_fds(self._asking, [json.dumps(message).encode()], [*files, tell])
            finally:
                os.close(tell)
            return _end_of(ends.fileno(), timeout, str(message["module"]))


def surroundings() -> dict[str, str]:
    """Return the environment of a program that looks."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def _end_of(told: int, timeout: float, module: str) -> int:
    """Return a probe's exit code, -9 where it ended without one. Raises subprocess.TimeoutExpired."""
    pid, deadline = 0, time.monotonic() + timeout
    try:
        pid = int(_line(told, deadline) or 0)
        with children.forked(pid):
            return int(_line(told, deadline) or -signal.SIGKILL)
    except TimeoutError:
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise subprocess.TimeoutExpired(module, timeout) from None


def _line(file: int, deadline: float) -> bytes:
    """Return the next line that a probe tells, nothing where it has ended. Raises TimeoutError."""
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([file], [], [], left)[0]:
            raise TimeoutError
        if not (part := os.read(file, 1)):
            return b""
        line += part
    return line
