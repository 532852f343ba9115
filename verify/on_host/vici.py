"""strongSwan's control socket (vici, README.md in its sources), as much of it as looking needs."""

from __future__ import annotations

import base64
import socket
import struct
from typing import Any

SOCKET = "/run/charon.vici"
REQUEST, RESPONSE, UNKNOWN, REGISTER, _, CONFIRM, UNKNOWN_EVENT, EVENT = range(8)
SECTION, SECTION_END, VALUE, LIST, ITEM, LIST_END = range(1, 7)
LONGEST = 1 << 20
"""Bytes of one packet; the protocol's own limit is half of it."""


class Vici:
    """One conversation with the daemon. Raises OSError where it does not answer, ValueError where oddly."""

    def __init__(self, path: str = SOCKET, timeout: float = 10) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Vici:
        return self

    def __exit__(self, *raised: object) -> None:
        self._socket.close()

    def ask(self, command: str, **arguments: str) -> dict[str, Any]:
        """Return the answer to a command."""
        self._send(REQUEST, command, arguments)
        kind, data = self._receive()
        if kind != RESPONSE:
            raise ValueError(f"the daemon does not know the command {command}")
        return message(data)

    def listed(self, command: str, event: str) -> list[dict[str, Any]]:
        """Return what a command tells as a stream of events."""
        self._send(REGISTER, event)
        if self._receive()[0] != CONFIRM:
            raise ValueError(f"the daemon does not know the event {event}")
        self._send(REQUEST, command)
        found = []
        while (packet := self._receive())[0] == EVENT:
            name = packet[1][0]
            found.append(message(packet[1][1 + name :]))
        if packet[0] != RESPONSE:
            raise ValueError(f"the daemon does not know the command {command}")
        return found

    def _send(self, kind: int, name: str, values: dict[str, str] | None = None) -> None:
        data = struct.pack("!BB", kind, len(name)) + name.encode()
        for key, value in (values or {}).items():
            data += struct.pack("!BB", VALUE, len(key)) + key.encode()
            data += struct.pack("!H", len(value)) + value.encode()
        self._socket.sendall(struct.pack("!I", len(data)) + data)

    def _receive(self) -> tuple[int, bytes]:
        (length,) = struct.unpack("!I", self._exactly(4))
        if not 1 <= length <= LONGEST:
            raise ValueError(f"a packet of {length} bytes on the daemon's socket")
        data = self._exactly(length)
        return data[0], data[1:]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the daemon ended the conversation")
            data += part
        return data


def message(data: bytes) -> dict[str, Any]:
    """Read a message: sections are dictionaries, lists lists, values text; what is no text is base64."""
    root: dict[str, Any] = {}
    stack: list[Any] = [root]
    at = 0
    while at < len(data):
        kind, at = data[at], at + 1
        name = ""
        if kind in (SECTION, VALUE, LIST):
            end = at + 1 + data[at]
            name, at = data[at + 1 : end].decode(), end
        if kind in (SECTION, LIST):
            stack.append(stack[-1].setdefault(name, {} if kind == SECTION else []))
        elif kind in (VALUE, ITEM):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            value, at = _text(data[at + 2 : end]), end
            stack[-1].append(value) if kind == ITEM else stack[-1].__setitem__(name, value)
        elif kind in (SECTION_END, LIST_END) and len(stack) > 1:
            stack.pop()
        else:
            raise ValueError(f"an element of type {kind} where none may be")
    if len(stack) != 1:
        raise ValueError("a message that ends within a section")
    return root


def _text(value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
