"""Docker's own answers, over its socket (Engine API), without the docker command."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
FRAME = struct.Struct(">BxxxI")
"""Before each piece of a command's output: which stream, how many bytes."""
OUTPUT, ERRORS = 1, 2


class _Connection(http.client.HTTPConnection):
    def __init__(self, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)

    def connect(self) -> None:
        """Connect to the engine's socket in place of a TCP port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def _asked(method: str, path: str, body: dict[str, Any] | None, timeout: float) -> bytes:
    connection = _Connection(timeout)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        raise RuntimeError(
            f"the engine says {answer.status} to {path}: {said[:200].decode(errors='replace')}"
        )
    return said


def ask(path: str, timeout: float = 10) -> Any:
    """Return the engine's answer to a question. Raises OSError or RuntimeError."""
    return json.loads(_asked("GET", path, None, timeout))


def containers() -> list[dict[str, Any]]:
    """Return every container in full, stopped ones too; it holds secrets, so it never leaves the host."""
    found = []
    for each in ask("/containers/json?all=1"):
        try:
            found.append(ask(f"/containers/{each['Id']}/json"))
        except RuntimeError:
            continue  # it ended and was removed meanwhile
    return found


def run(container: str, command: Sequence[str], timeout: float) -> tuple[int, str]:
    """Run a command in a running container; return its exit code and its output, or why it failed."""
    asked = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
    path = f"/containers/{quote(container)}/exec"
    made = json.loads(_asked("POST", path, asked, timeout))["Id"]
    raw = _asked("POST", f"/exec/{made}/start", {"Detach": False, "Tty": False}, timeout)
    code = ask(f"/exec/{made}/json", timeout)["ExitCode"]
    said = spoken(raw)
    return int(-1 if code is None else code), said[ERRORS] if code else said[OUTPUT]


def spoken(raw: bytes) -> dict[int, str]:
    """Take the frames off a command's output: what it wrote, by stream."""
    said, at = {OUTPUT: b"", ERRORS: b""}, 0
    while at + FRAME.size <= len(raw):
        stream, size = FRAME.unpack_from(raw, at)
        said[stream] = said.get(stream, b"") + raw[at + FRAME.size : at + FRAME.size + size]
        at += FRAME.size + size
    return {stream: data.decode(errors="replace") for stream, data in said.items()}
