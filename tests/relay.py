"""Pass bytes between standard input and output and a TCP port: a ProxyCommand for tests."""

from __future__ import annotations

import os
import socket
import sys
import threading


def main(address: str, port: int) -> None:
    """Relay until either side ends."""
    with socket.create_connection((address, port)) as far:
        threading.Thread(target=_upstream, args=(far,), daemon=True).start()
        while data := far.recv(65536):
            os.write(1, data)


def _upstream(far: socket.socket) -> None:
    while data := os.read(0, 65536):
        far.sendall(data)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
