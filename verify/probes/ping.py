"""Ask for an echo (ICMP, RFC 792; ICMPv6, RFC 4443): the control of a place from which no port is open.

With a size it also says how large a packet may be that nobody on the way cuts into pieces (RFC 1191).
"""

from __future__ import annotations

import errno
import os
import secrets
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from verify.probes.arguments import parser, show
from verify.probes.segment import checksum

REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
SMALLEST = 44
"""Bytes of the whole IPv4 packet: its header, the echo's header and our token."""
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR, IP_MTU = 10, 2, 11, 14  # ip(7)
EXTENDED_ERROR = struct.Struct("=IBBBBII")
"""sock_extended_err of ip(7): error, origin, type, code, padding, info, data."""


@dataclass(frozen=True)
class Echo:
    """How an echo request ended."""

    seconds: float | None = None
    """Until the reply came, None when none did."""
    limit: int | None = None
    """The largest packet that somebody on the way would take (bytes), where one was refused as too large."""


def ping(address: str, *, timeout: float = 2.0, tries: int = 2, source: str | None = None) -> float | None:
    """Return the seconds until an echo came back, None when none did (needs CAP_NET_RAW). Raises OSError."""
    return echo(address, timeout=timeout, tries=tries, source=source).seconds


def echo(
    address: str,
    *,
    timeout: float = 2.0,
    tries: int = 2,
    source: str | None = None,
    size: int = SMALLEST,
    whole: bool = False,
) -> Echo:
    """Ask for an echo with packets of `size` bytes; `whole` (IPv4): nobody may cut them. Raises OSError."""
    family, *_, target = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
    version = 6 if family == socket.AF_INET6 else 4
    with socket.socket(family, socket.SOCK_RAW, PROTOCOL[version]) as sock:
        if whole:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        if source:
            sock.bind((source, 0))
        for _ in range(tries):
            token = secrets.token_bytes(16)
            began = time.monotonic()
            try:
                sock.sendto(request(version, bytes(max(size - SMALLEST, 0)) + token), (str(target[0]), 0))
                if _returns(sock, version, token, began + timeout):
                    return Echo(time.monotonic() - began)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                return Echo(limit=_limit(sock, str(target[0]), source))
    return Echo()


def request(version: int, data: bytes) -> bytes:
    """Return an echo request; for IPv6 the kernel fills in the checksum."""
    header = struct.pack("!BBHHH", REQUEST[version], 0, 0, os.getpid() & 0xFFFF, 1)
    check = checksum(header + data + bytes(len(data) % 2)) if version == 4 else 0
    return header[:2] + struct.pack("!H", check) + header[4:] + data


def _limit(sock: socket.socket, target: str, source: str | None) -> int | None:
    """Return what the kernel was told, or knows by itself, of how large a packet may be."""
    with suppress(OSError):
        _, ancillary, _, _ = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR) and len(data) >= EXTENDED_ERROR.size:
                return int(EXTENDED_ERROR.unpack_from(data)[5])
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        if source:
            route.bind((source, 0))
        route.connect((target, 9))
        return route.getsockopt(socket.IPPROTO_IP, IP_MTU)
    return None


def _returns(sock: socket.socket, version: int, token: bytes, deadline: float) -> bool:
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return False
        data = sock.recv(65536)
        start = (data[0] & 0x0F) * 4 if version == 4 else 0
        if len(data) > start and data[start] == REPLY[version] and data.endswith(token):
            return True
    return False


def main() -> int:
    """Print whether an echo came back; exit code 0 either way, 1 when it was impossible to ask."""
    made = parser("verify.probes.ping", "Ask a host for an echo.")
    made.add_argument("--size", type=int, default=SMALLEST, help="bytes of the whole IPv4 packet")
    made.add_argument("--whole", action="store_true", help="nobody on the way may cut it into pieces (IPv4)")
    given = made.parse_args()
    try:
        seen = echo(
            given.address, timeout=given.timeout, source=given.source, size=given.size, whole=given.whole
        )
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    line = "silent" if seen.seconds is None else f"answers after {seen.seconds * 1000:.1f} ms"
    line = f"too large: {seen.limit} bytes at most" if seen.limit is not None else line
    answer = {"address": given.address, "answers": seen.seconds is not None, "limit": seen.limit}
    show(answer, [line], as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
