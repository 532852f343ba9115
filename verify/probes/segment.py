"""TCP segments as bytes: a SYN to send, and what an answer says (RFC 9293 section 3.1)."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address

SYN, RST, ACK = 0x02, 0x04, 0x10
HEADER = struct.Struct("!HHIIBBHHH")
PORT = struct.Struct("!H")
MAXIMUM_SEGMENT = b"\x02\x04\x05\xb4"  # option 2, 1460 bytes: a SYN without it looks odd to some filters


class Syns:
    """SYN segments that differ in their port alone: what they share is summed up once (RFC 1071).

    For IPv6 the checksum is left to the kernel (IPV6_CHECKSUM, RFC 3542).
    """

    def __init__(self, source: str, target: str, source_port: int, sequence: int) -> None:
        header = HEADER.pack(source_port, 0, sequence, 0, 6 << 4, SYN, 64240, 0, 0) + MAXIMUM_SEGMENT
        self._before, self._between, self._after = header[:2], header[4:16], header[18:]
        self._base: int | None = None
        if ":" not in target:
            pseudo = IPv4Address(source).packed + IPv4Address(target).packed
            self._base = _sum(pseudo + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header)) + header)

    def to(self, port: int) -> bytes:
        """Return the segment for a port."""
        check = 0 if self._base is None else ~_folded(self._base + port) & 0xFFFF
        return self._before + PORT.pack(port) + self._between + PORT.pack(check) + self._after


def checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes (RFC 1071)."""
    return ~_folded(_sum(data)) & 0xFFFF


def _sum(data: bytes) -> int:
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def _folded(total: int) -> int:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def answer(segment: bytes, source_port: int) -> tuple[int, str] | None:
    """Return (port, "open" | "closed") when the segment answers a SYN from `source_port`, else None."""
    if len(segment) < HEADER.size:
        return None
    port, to, _, _, _, flags, *_ = HEADER.unpack_from(segment)
    if to != source_port:
        return None
    if flags & RST:
        return port, "closed"
    return (port, "open") if flags & (SYN | ACK) == SYN | ACK else None
