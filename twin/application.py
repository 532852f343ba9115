"""A Stasis application in the place of the tenants' own: answers each call in a bridge, with a tone.

Run as `python -m twin.application` in the network of the host, with a JSON object on stdin: `address`,
`port`, `user`, `password` of ARI and the names of the `applications`. It prints a line when it is connected,
ends with the connection, and knows of RFC 6455 what it needs.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

TONE = "tone:440"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


@dataclass
class Application:
    """One connection to ARI, and the bridges of the calls that go on."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    applications: tuple[str, ...]
    bridges: dict[str, str] = field(default_factory=dict)

    def answer(self) -> None:
        """Answer calls until Asterisk ends the connection; OSError where there is none."""
        with socket.create_connection((self.address, self.port), timeout=10) as connection:
            self._upgrade(connection)
            connection.settimeout(None)
            print("connected", flush=True)
            for event in _events(connection):
                self._hear(event)

    def _hear(self, event: dict[str, object]) -> None:
        channel = event.get("channel")
        name = str(channel["id"]) if isinstance(channel, dict) else ""
        if event.get("type") == "StasisStart":
            self.bridges[name] = str(self._ask("POST", "bridges", type="mixing")["id"])
            self._ask("POST", f"bridges/{self.bridges[name]}/addChannel", channel=name)
            self._ask("POST", f"bridges/{self.bridges[name]}/play", media=TONE)
        elif event.get("type") == "StasisEnd" and name in self.bridges:
            self._ask("DELETE", f"bridges/{self.bridges.pop(name)}")

    def _ask(self, method: str, place: str, **wanted: str) -> dict[str, object]:
        asked = http.client.HTTPConnection(self.address, self.port, timeout=10)
        asked.request(method, f"/ari/{place}?{urlencode(wanted)}", headers={"Authorization": self._proof()})
        answer = asked.getresponse().read()
        asked.close()
        found: dict[str, object] = json.loads(answer) if answer else {}
        return found

    def _proof(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def _upgrade(self, connection: socket.socket) -> None:
        """Turn the connection into a WebSocket (RFC 6455, section 4.1)."""
        lines = (
            f"GET /ari/events?app={quote(','.join(self.applications))} HTTP/1.1",
            f"Host: {self.address}:{self.port}",
            f"Authorization: {self._proof()}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
        )
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            more = connection.recv(1)
            if not more:
                raise OSError("ARI ends the connection")
            answer += more
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            raise OSError(f"ARI says {answer.partition(chr(13).encode())[0].decode()}")


def _events(connection: socket.socket) -> Iterator[dict[str, object]]:
    """Yield what ARI tells, and answer its pings."""
    while True:
        kind, data = _frame(connection)
        if kind == _TEXT:
            yield json.loads(data)
        elif kind == _PING:
            _send(connection, _PONG, data)
        elif kind == _CLOSE:
            return


def _frame(connection: socket.socket) -> tuple[int, bytes]:
    first, second = _exactly(connection, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(connection, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(connection, 8))
    return first & 0x0F, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("ARI ended the connection")
        data += more
    return data


def _send(connection: socket.socket, kind: int, data: bytes) -> None:
    mask = os.urandom(4)
    hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    connection.sendall(bytes((0x80 | kind, 0x80 | len(data))) + mask + hidden)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    with suppress(KeyboardInterrupt):
        Application(**given | {"applications": tuple(given["applications"])}).answer()
