"""What passes an interface: whole frames as the kernel sees them (packet(7)), read as IPv4 (RFC 791)."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

IPV4 = 0x0800
VLAN = (0x8100, 0x88A8)
OUTGOING = socket.PACKET_OUTGOING


@dataclass(frozen=True)
class Frame:
    """One IPv4 packet on an interface."""

    interface: str
    source: IPv4Address
    destination: IPv4Address
    protocol: int
    data: bytes
    """Behind the IP header; empty in a later fragment."""

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination port, (0, 0) where the protocol has none or they are not in it."""
        if self.protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) or len(self.data) < 4:
            return 0, 0
        source, destination = struct.unpack_from("!HH", self.data)
        return source, destination

    def __str__(self) -> str:
        named = {1: "icmp", 6: "tcp", 17: "udp", 50: "esp"}
        ports = self.ports if any(self.ports) else None
        ends = [f"{a}{f':{p}' if ports else ''}" for a, p in zip(
            (self.source, self.destination), ports or (0, 0), strict=True)]  # fmt: skip
        return f"{named.get(self.protocol, f'protocol {self.protocol}')} {' > '.join(ends)}"


def tapped(interface: str | None) -> socket.socket:
    """Return a socket that gets every frame of an interface, None: of all (CAP_NET_RAW). Raises OSError."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    if interface:
        tap.bind((interface, 0x0003))
    return tap


def frames(tap: socket.socket, until: float) -> Iterator[Frame]:
    """Yield what passes until a moment (time.monotonic)."""
    while (left := until - time.monotonic()) > 0:
        if not select.select([tap], [], [], left)[0]:
            return
        data, (name, kind, *_) = tap.recvfrom(65535)
        if kind in VLAN:
            kind, data = int.from_bytes(data[2:4], "big"), data[4:]
        if kind == IPV4 and (frame := read(name, data)):
            yield frame


def read(interface: str, data: bytes) -> Frame | None:
    """Read an IPv4 packet, None for what is none."""
    length = (data[0] & 0x0F) * 4 if data else 0
    if length < 20 or len(data) < length or data[0] >> 4 != 4:
        return None
    first = not int.from_bytes(data[6:8], "big") & 0x1FFF
    source, destination = IPv4Address(data[12:16]), IPv4Address(data[16:20])
    return Frame(interface, source, destination, data[9], data[length:] if first else b"")
