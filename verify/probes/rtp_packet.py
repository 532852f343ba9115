"""RTP and RTCP packets, read and built (RFC 3550 sections 5.1 and 6.4); nothing here raises for any bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

HEADER = struct.Struct("!BBHII")
BLOCK = struct.Struct("!IIIIII")
UNIX_TO_NTP = 2208988800
KINDS: dict[int, Literal["SR", "RR", "BYE"]] = {200: "SR", 201: "RR", 203: "BYE"}


@dataclass(frozen=True)
class Rtp:
    """One packet of media."""

    kind: int
    """The payload type."""
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


@dataclass(frozen=True)
class Block:
    """What a receiver reports of one source (section 6.4.1)."""

    ssrc: int
    fraction: float
    lost: int
    """Packets since the beginning; negative where some came twice."""
    highest: int
    jitter: int
    """In units of the timestamp."""
    last: int
    """The middle of the NTP time in the last report that it had from the source; 0: none."""
    since: float
    """Seconds since it had that."""


@dataclass(frozen=True)
class Rtcp:
    """One part of an RTCP packet."""

    kind: Literal["SR", "RR", "BYE"]
    ssrc: int
    ntp: float = 0.0
    """When a sender wrote its report (Unix seconds)."""
    blocks: tuple[Block, ...] = ()


def read_rtp(data: bytes) -> Rtp | None:
    """Return the packet, None where the bytes are none."""
    if len(data) < HEADER.size or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    start, end = HEADER.size + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:
        end -= data[-1]
        if not data[-1]:
            return None
    if start > end:
        return None
    return Rtp(second & 0x7F, sequence, timestamp, ssrc, data[start:end], bool(second & 0x80))


def build_rtp(packet: Rtp) -> bytes:
    """Return the packet's bytes."""
    second = packet.kind | (0x80 if packet.marker else 0)
    head = HEADER.pack(0x80, second, packet.sequence & 0xFFFF, packet.timestamp & 0xFFFFFFFF, packet.ssrc)
    return head + packet.payload


def read_rtcp(data: bytes) -> tuple[Rtcp, ...]:
    """Return the reports and goodbyes of a compound packet, up to where it breaks."""
    found: list[Rtcp] = []
    while len(data) >= 8 and data[0] >> 6 == 2:
        size = 4 + 4 * int.from_bytes(data[2:4], "big")
        if size > len(data):
            break
        kind, count = KINDS.get(data[1]), data[0] & 0x1F
        if kind and size >= 8:
            found.append(_part(kind, count, data[4:size]))
        data = data[size:]
    return tuple(found)


def _part(kind: Literal["SR", "RR", "BYE"], count: int, body: bytes) -> Rtcp:
    ssrc, ntp = int.from_bytes(body[:4], "big"), 0.0
    start = 24 if kind == "SR" else 4
    if kind == "SR" and len(body) >= 12:
        seconds, fraction = struct.unpack_from("!II", body, 4)
        ntp = seconds - UNIX_TO_NTP + fraction / 2**32
    whole = max(0, len(body) - start) // BLOCK.size
    blocks = [_block(body, start + BLOCK.size * n) for n in range(min(count, whole))] if kind != "BYE" else []
    return Rtcp(kind, ssrc, ntp, tuple(blocks))


def _block(body: bytes, at: int) -> Block:
    ssrc, lost, highest, jitter, last, since = BLOCK.unpack_from(body, at)
    total = (lost & 0xFFFFFF) - (1 << 24 if lost & 0x800000 else 0)
    return Block(ssrc, (lost >> 24) / 256, total, highest, jitter, last, since / 65536)


def build_report(
    ssrc: int,
    now: float,
    timestamp: int,
    packets: int,
    octets: int,
    block: Block | None,
    *,
    bye: bool = False,
) -> bytes:
    """Return a sender report with our name, and a goodbye when it is the last (sections 6.1 and 6.6)."""
    middle = int((now + UNIX_TO_NTP) * 2**32) & (2**64 - 1)
    body = struct.pack("!IQIII", ssrc, middle, timestamp & 0xFFFFFFFF, packets, octets)
    body += _packed(block) if block else b""
    name = b"trunkline"
    chunk = struct.pack("!IBB", ssrc, 1, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)
    parts = [(200, 1 if block else 0, body), (202, 1, chunk)]
    parts += [(203, 1, struct.pack("!I", ssrc))] if bye else []
    return b"".join(struct.pack("!BBH", 0x80 | n, kind, len(data) // 4) + data for kind, n, data in parts)


def _packed(block: Block) -> bytes:
    lost = (int(block.fraction * 256) & 0xFF) << 24 | max(
        -(1 << 23), min(block.lost, (1 << 23) - 1)
    ) & 0xFFFFFF
    since = min(int(block.since * 65536), 0xFFFFFFFF)
    return BLOCK.pack(
        block.ssrc, lost, block.highest & 0xFFFFFFFF, block.jitter & 0xFFFFFFFF, block.last, since
    )


def middle(now: float) -> int:
    """Return the middle 32 bits of the NTP time of a moment (section 6.4.1, LSR)."""
    return int((now + UNIX_TO_NTP) * 65536) & 0xFFFFFFFF
