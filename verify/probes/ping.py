"""Ask for an echo (ICMP, RFC 792; ICMPv6, RFC 4443): the control of a place from which no port is open."""

from __future__ import annotations

import os
import secrets
import select
import socket
import struct
import sys
import time

from verify.probes.arguments import parser, show
from verify.probes.segment import checksum

REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}


def ping(address: str, *, timeout: float = 2.0, tries: int = 2, source: str | None = None) -> float | None:
    """Return the seconds until an echo came back, None when none did (needs CAP_NET_RAW). Raises OSError."""
    family, *_, target = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
    version = 6 if family == socket.AF_INET6 else 4
    with socket.socket(family, socket.SOCK_RAW, PROTOCOL[version]) as sock:
        if source:
            sock.bind((source, 0))
        for _ in range(tries):
            token = secrets.token_bytes(16)
            began = time.monotonic()
            sock.sendto(echo(version, token), (str(target[0]), 0))
            if _returns(sock, version, token, began + timeout):
                return time.monotonic() - began
    return None


def echo(version: int, token: bytes) -> bytes:
    """Return an echo request; for IPv6 the kernel fills in the checksum."""
    header = struct.pack("!BBHHH", REQUEST[version], 0, 0, os.getpid() & 0xFFFF, 1)
    check = checksum(header + token) if version == 4 else 0
    return header[:2] + struct.pack("!H", check) + header[4:] + token


def _returns(sock: socket.socket, version: int, token: bytes, deadline: float) -> bool:
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return False
        data = sock.recv(2048)
        start = (data[0] & 0x0F) * 4 if version == 4 else 0
        if len(data) > start and data[start] == REPLY[version] and data.endswith(token):
            return True
    return False


def main() -> int:
    """Print whether an echo came back; exit code 0 either way, 1 when it was impossible to ask."""
    given = parser("verify.probes.ping", "Ask a host for an echo.").parse_args()
    try:
        seconds = ping(given.address, timeout=given.timeout, source=given.source)
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    line = "silent" if seconds is None else f"answers after {seconds * 1000:.1f} ms"
    show({"address": given.address, "answers": seconds is not None}, [line], as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
