"""JSON lines between the child and its parent: requests on stdin, events on the real standard output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from gevent.fileobject import FileObject
from gevent.lock import RLock
from gevent.os import make_nonblocking, nb_write

from deploys._engine import secrets


class Wire:
    """Owns the process's standard streams: only events leave by fd 1, all else goes, masked, to stderr."""

    def __init__(self) -> None:
        self._events = os.dup(1)
        # A parent that does not read for a while must not stop the lease's renewal and the pulse as well.
        make_nonblocking(self._events)
        self._turn = RLock()
        os.dup2(2, 1)
        diagnostics = Masked(2)
        sys.stdout = sys.stderr = io.TextIOWrapper(diagnostics, line_buffering=True, write_through=True)

    def emit(self, event: str, **fields: Any) -> None:
        """Send one event, masked; a parent that is gone is no error here."""
        line = json.dumps(secrets.mask_all({"event": event, **fields})) + "\n"
        data = line.encode()
        with self._turn, contextlib.suppress(OSError):
            while data:
                data = data[nb_write(self._events, data) :]

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield requests until the parent closes its end."""
        with FileObject(os.dup(0), "rb") as source:
            for line in source:
                try:
                    request = json.loads(line)
                except ValueError:
                    request = None
                yield request if isinstance(request, dict) else {"do": ""}


class Masked(io.RawIOBase):
    """A file descriptor that no secret value passes. Whole lines are masked, so a write may be held back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = ""

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, for isatty and the like."""
        return self._descriptor

    def write(self, data: Any) -> int:
        """Pass whole lines on, masked; what cannot be written is lost: it is diagnostics only."""
        whole, newline, self._rest = (self._rest + bytes(data).decode(errors="replace")).rpartition("\n")
        if newline:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, secrets.mask(whole + newline).encode())
        return len(data)
