"""A program as a socket: what it leads to is behind its input and output (a ProxyCommand, `ssh -W`)."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Sequence

END_SECONDS = 2
SHELL = ("/bin/sh", "-c")


class Piped(socket.socket):
    """The near end of a running program; closing it ends the program."""

    def __init__(self, argv: Sequence[str]) -> None:
        near, far = socket.socketpair()
        super().__init__(fileno=near.detach())
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
        with far:
            end = far.fileno()
            self._process = subprocess.Popen(argv, stdin=end, stdout=end, stderr=self._errors)

    def heard(self, seconds: float) -> bool:
        """Say whether anything comes within this time, before the program ends; nothing of it is taken."""
        self.settimeout(seconds)
        try:
            return bool(self.recv(1, socket.MSG_PEEK))
        except OSError:
            return False
        finally:
            self.settimeout(None)

    def last_word(self) -> str:
        """Return the last line of what the program complained about; empty where it did not."""
        self._errors.seek(0)
        said = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines()]
        return next((line[:300] for line in reversed(said) if line), "")

    def close(self) -> None:
        """Close the stream and end the program."""
        super().close()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._errors.close()


def shell_of(command: str) -> tuple[str, ...]:
    """Return what starts a ProxyCommand as ssh(1) does: in a shell that it takes the place of."""
    return (*SHELL, f"exec {command}")
