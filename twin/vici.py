"""Speaking with a strongSwan daemon over its control socket: the vici protocol, as its README.md has it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from control.errors import TrunklineError

REQUEST, RESPONSE, REGISTER, CONFIRM, EVENT = 0, 1, 3, 5, 7
SECTION, SECTION_END, VALUE, LIST, ITEM, LIST_END = 1, 2, 3, 4, 5, 6
Message = Mapping[str, Any]
"""Texts, lists of texts, and messages, by their keys."""


class Vici:
    """A connection to one daemon."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def ask(self, command: str, message: Message | None = None) -> dict[str, Any]:
        """Send a command and return its answer; TrunklineError with the daemon's own words when it fails."""
        self._send(REQUEST, command, message or {})
        return _checked(command, self._answer(RESPONSE)[1])

    def stream(self, command: str, event: str, message: Message | None = None) -> list[dict[str, Any]]:
        """Send a command and return the events that it answers with."""
        self._send(REGISTER, event)
        self._answer(CONFIRM)
        self._send(REQUEST, command, message or {})
        found = []
        while (answer := self._answer(EVENT, RESPONSE))[0] == EVENT:
            found.append(answer[1])
        _checked(command, answer[1])
        return found

    def _send(self, kind: int, name: str, message: Message | None = None) -> None:
        body = bytes([kind, len(name)]) + name.encode() + (encoded(message) if message else b"")
        self._socket.sendall(struct.pack("!I", len(body)) + body)

    def _answer(self, *kinds: int) -> tuple[int, dict[str, Any]]:
        (size,) = struct.unpack("!I", self._exactly(4))
        body = self._exactly(size)
        if body[0] not in kinds:
            raise TrunklineError(f"strongSwan answers with {body[0]} where {kinds} was expected.")
        return body[0], decoded(body[2 + body[1] :] if body[0] == EVENT else body[1:])

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            if not (more := self._socket.recv(size - len(found))):
                raise ConnectionResetError("strongSwan hung up")
            found += more
        return found


@contextmanager
def vici(path: Path, timeout: float = 15) -> Iterator[Vici]:
    """Yield a connection to the daemon with this socket; OSError where it does not run."""
    # A socket's path may be 107 bytes long only (unix(7)); the directory may be deeper.
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(f"/proc/self/fd/{directory}/{path.name}")
            yield Vici(sock)
    finally:
        os.close(directory)


def encoded(message: Message) -> bytes:
    """Return a message as it is sent."""
    data = b""
    for key, value in message.items():
        name = bytes([len(key)]) + key.encode()
        if isinstance(value, Mapping):
            data += bytes([SECTION]) + name + encoded(value) + bytes([SECTION_END])
        elif isinstance(value, str):
            data += bytes([VALUE]) + name + _value(value)
        else:
            items = b"".join(bytes([ITEM]) + _value(item) for item in value)
            data += bytes([LIST]) + name + items + bytes([LIST_END])
    return data


def decoded(data: bytes) -> dict[str, Any]:
    """Return a message as it was received."""
    message, end = _section(data, 0)
    assert end == len(data)
    return message


def _section(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(data) and data[at] != SECTION_END:
        kind, size = data[at], data[at + 1]
        name, at = data[at + 2 : at + 2 + size].decode(), at + 2 + size
        if kind == SECTION:
            found[name], at = _section(data, at)
            at += 1
        elif kind == VALUE:
            found[name], at = _read(data, at)
        else:
            found[name] = []
            while data[at] == ITEM:
                item, at = _read(data, at + 1)
                found[name].append(item)
            at += 1
    return found, at


def _read(data: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("!H", data, at)
    return data[at + 2 : at + 2 + size].decode(errors="replace"), at + 2 + size


def _value(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _checked(command: str, answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("success", "yes") != "yes":
        raise TrunklineError(f"strongSwan refuses {command}: {answer.get('errmsg') or 'it says nothing'}.")
    return answer
