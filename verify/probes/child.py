"""A program that is spoken with in JSON, a line each way; it ends when its stdin closes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 4 << 20
"""Bytes of one line that are read; more is no answer of ours."""


class Silent(OSError):
    """It said nothing in time, or ended; the message has its last words."""


class Child:
    """One started program. Used as a context, it has ended when the context is left."""

    def __init__(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self._read = b""
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=env, cwd=cwd
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        """Write bytes to its stdin. Raises Silent when it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            raise self._silent("ended") from None

    def say(self, message: Mapping[str, Any]) -> None:
        """Send one JSON line. Raises Silent."""
        self.write(json.dumps(message).encode() + b"\n")

    def hear(self, timeout: float) -> dict[str, Any]:
        """Return the next JSON line; `timeout` in seconds. Raises Silent."""
        assert self._process.stdout is not None
        number, deadline = self._process.stdout.fileno(), time.monotonic() + timeout
        while b"\n" not in self._read:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([number], [], [], left)[0]:
                raise self._silent(f"said nothing for {timeout:.0f} s")
            part = os.read(number, 1 << 16)
            if not part or len(self._read) > LONGEST:
                raise self._silent("ended")
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            raise self._silent(f"said {line[:80]!r}, which is not JSON") from None
        if not isinstance(found, dict):
            raise self._silent(f"said {line[:80]!r}, which is no object")
        return found

    def close(self) -> None:
        """Close its stdin, wait for its end, and kill it where that does not come."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _silent(self, what: str) -> Silent:
        if what == "ended":
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                what = "said no more"
        self._errors.seek(0)
        words = self._errors.read(1 << 16).decode(errors="replace").strip().splitlines()
        return Silent(f"{self.name} {what}" + (f": {words[-1][:300]}" if words else ""))
