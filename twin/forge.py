"""Datagrams in somebody else's name: UDP with a source address that the stranger does not have.

Answers go to whom the address belongs. Nothing leaves the twin's world: it is sent in the stranger's network.
Run as `python -m twin.forge` there, with what `forge` writes to its stdin.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import sys
import time
from collections.abc import Sequence

from control.errors import TrunklineError
from twin.command import command
from twin.enter import enter_argv
from twin.layout import STRANGER

MOST = 10000
"""Datagrams of one call."""
FASTEST = 500
"""A second."""


def forge(
    twin: str,
    source: str,
    target: str,
    payloads: Sequence[bytes],
    *,
    port: int = 5060,
    from_port: int = 5060,
    per_second: int = 50,
) -> int:
    """Send datagrams from the stranger's place under another's address; return how many were sent.

    `twin` is a twin's name. TrunklineError where they are too many, or too fast.
    """
    if len(payloads) > MOST or not 1 <= per_second <= FASTEST:
        raise TrunklineError(
            f"{len(payloads)} datagrams at {per_second} a second would be a flood.",
            f"Send at most {MOST}, at most {FASTEST} a second.",
        )
    texts = [base64.b64encode(payload).decode() for payload in payloads]
    order = {"source": source, "target": target, "ports": [from_port, port], "pace": per_second}
    argv = (*enter_argv(twin, STRANGER), sys.executable, "-m", "twin.forge")
    wait = 30 + len(payloads) / per_second
    return int(command(*argv, feed=json.dumps(order | {"payloads": texts}), timeout=wait))


def datagram(source: str, target: str, ports: Sequence[int], payload: bytes) -> bytes:
    """Return an IPv4 packet (RFC 791) with a UDP datagram (RFC 768); the kernel fills in IP's checksum."""
    here, there = socket.inet_aton(source), socket.inet_aton(target)
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", *ports, length, 0) + payload
    pseudo = here + there + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length)
    udp = udp[:6] + struct.pack("!H", _checksum(pseudo + udp)) + udp[8:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, socket.IPPROTO_UDP, 0)
    return head + here + there + udp


def _checksum(data: bytes) -> int:
    """RFC 1071; a sum of zero is sent as its complement, as zero would say that there is none."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF) or 0xFFFF


def main() -> None:
    """Send what stdin says, and print how many were sent."""
    order = json.load(sys.stdin)
    payloads = [base64.b64decode(text) for text in order["payloads"]]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for payload in payloads:
            packet = datagram(order["source"], order["target"], order["ports"], payload)
            raw.sendto(packet, (order["target"], 0))
            time.sleep(1 / order["pace"])
    print(len(payloads))


if __name__ == "__main__":
    main()
