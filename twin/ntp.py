"""The twin's time server: answers NTP (RFC 5905, section 7.3), truthfully or off by what a file says.

Run as `python -m twin.ntp ADDRESS,... OFFSET_FILE READY_FILE`.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import cast

EPOCH = 2_208_988_800
"""Seconds from the NTP era's start (1900) to the Unix epoch."""
_HEADER = struct.Struct("!BBbbII4sQQQQ")


def stamp(seconds: float) -> int:
    """Return the 64-bit timestamp of a Unix time (RFC 5905, section 6)."""
    return int((seconds + EPOCH) * 2**32) & 0xFFFFFFFFFFFFFFFF


def answer(request: bytes, received: float, sent: float) -> bytes | None:
    """Return the reply to a client's request, None where it is none; times are in Unix seconds."""
    if len(request) < _HEADER.size:
        return None
    first, _, poll, *_, transmitted = _HEADER.unpack(request[: _HEADER.size])
    version, mode = first >> 3 & 7, first & 7
    if mode != 3 or not 1 <= version <= 4:
        return None
    reference = stamp(received - 1)
    return _HEADER.pack(
        version << 3 | 4, 1, poll, -20, 0, 16, b"TWIN", reference, transmitted, stamp(received), stamp(sent)
    )


def serve(addresses: list[str], offset: Path, ready: Path) -> None:
    """Answer for ever; the offset in seconds is read anew for each request."""
    waiting = DefaultSelector()
    for address in addresses:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, 123))
        waiting.register(sock, EVENT_READ)
    ready.touch()
    while True:
        for key, _ in waiting.select():
            _reply(cast(socket.socket, key.fileobj), offset)


def _reply(sock: socket.socket, offset: Path) -> None:
    request, client = sock.recvfrom(1024)
    now = time.time()
    try:
        shift = float(offset.read_text())
    except (OSError, ValueError):
        shift = 0.0
    reply = answer(request, now + shift, time.time() + shift)
    if reply:
        sock.sendto(reply, client)


if __name__ == "__main__":
    serve(sys.argv[1].split(","), Path(sys.argv[2]), Path(sys.argv[3]))
