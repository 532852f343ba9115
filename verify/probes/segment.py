"""TCP segments as bytes: a SYN to send, and what an answer says (RFC 9293 section 3.1)."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address

SYN, RST, ACK = 0x02, 0x04, 0x10
HEADER = struct.Struct("!HHIIBBHHH")
MAXIMUM_SEGMENT = b"\x02\x04\x05\xb4"  # option 2, 1460 bytes: a SYN without it looks odd to some filters


def syn(source: str, target: str, source_port: int, port: int, sequence: int) -> bytes:
    """Return a SYN segment; for IPv6 the checksum is left to the kernel (IPV6_CHECKSUM, RFC 3542)."""
    header = HEADER.pack(source_port, port, sequence, 0, 6 << 4, SYN, 64240, 0, 0) + MAXIMUM_SEGMENT
    if ":" in target:
        return header
    pseudo = (
        IPv4Address(source).packed
        + IPv4Address(target).packed
        + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header))
    )
    return header[:16] + struct.pack("!H", checksum(pseudo + header)) + header[18:]


def checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


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
