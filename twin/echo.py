"""Somebody who answers: returns what it gets on a UDP and a TCP port.

Run as `python -m twin.echo PORT READY`; the file READY is made when it listens.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from pathlib import Path


def _datagram(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.sendto(*sock.recvfrom(65536))


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def serve(port: int, ready: Path) -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("", port))
        asyncio.get_running_loop().add_reader(sock, _datagram, sock)
        server = await asyncio.start_server(_stream, "", port)
        ready.touch()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
