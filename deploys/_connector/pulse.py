"""Notice a peer that is dead although the kernel does not know: behind a jump, frozen, or cut off."""

from __future__ import annotations

import contextlib
import threading

import paramiko

BEAT_SECONDS = 3
ANSWER_SECONDS = 14


class Pulse:
    """Asks the peer's sshd for a sign of life every 3 s; closes the transport after 14 s of silence."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self.transport = transport
        self._ended = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS) and self.transport.is_active():
            patience = threading.Timer(ANSWER_SECONDS, self.transport.close)
            patience.daemon = True
            patience.start()
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                self.transport.global_request("keepalive@openssh.com", wait=True)
            patience.cancel()
