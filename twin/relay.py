"""Passes TCP connections from one network namespace to another: it listens in one, connects in the other.

Run as `python -m twin.relay SPECIFICATION`, which is JSON: {"ready": file, "into": namespace file or null,
"routes": [{"namespace": file or null, "address", "port", "to_address", "to_port"}]}. A port of loopback that
is taken gives way to the next free one; the file `ready` lists the ports that it got.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000


def move_to(file: str) -> None:
    """Move this thread into the network namespace that a file holds (setns(2))."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), file)
    finally:
        os.close(handle)


def listen(route: dict[str, Any], home: int) -> socket.socket:
    """Open a route's listening socket in the namespace it names."""
    move_to(route["namespace"] or f"/proc/self/fd/{home}")
    for port in range(route["port"], route["port"] + 200):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((route["address"], port))
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE or route["namespace"]:
                raise
        else:
            sock.listen(128)
            return sock
    raise OSError(errno.EADDRINUSE, f"no free port from {route['port']} on")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()


async def _serve(route: dict[str, Any], sock: socket.socket) -> None:
    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer = None
        try:
            far_reader, far_writer = await asyncio.open_connection(route["to_address"], route["to_port"])
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError:
            pass
        finally:
            for end in (writer, far_writer):
                if end:
                    end.close()

    server = await asyncio.start_server(passed, sock=sock)
    await server.serve_forever()


async def _all(routes: list[dict[str, Any]], sockets: list[socket.socket], ready: Path) -> None:
    ports = [sock.getsockname()[1] for sock in sockets]
    temporary = ready.with_suffix(".new")
    temporary.write_text(json.dumps(ports))
    temporary.rename(ready)
    await asyncio.gather(*(_serve(route, sock) for route, sock in zip(routes, sockets, strict=True)))


def main(text: str) -> None:
    """Serve for ever."""
    specification = json.loads(text)
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    sockets = [listen(route, home) for route in specification["routes"]]
    move_to(specification["into"] or f"/proc/self/fd/{home}")
    asyncio.run(_all(specification["routes"], sockets, Path(specification["ready"])))


if __name__ == "__main__":
    main(sys.argv[1])
