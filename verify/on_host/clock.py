"""The clock: what the declared servers say (asked directly, RFC 5905), what chrony says, the time zone."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Any

from verify.on_host.section import Request, said, section, text

TO_UNIX = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""
CLIENT = bytes([0x23]) + bytes(39)
"""Version 4, mode 3 (client); our transmit time stands in the last eight bytes."""


def offset_of(server: str, timeout: float = 1.5) -> float:
    """Return how far this clock is behind (+) or ahead (-) of a server, in seconds. Raises OSError."""
    family, *_, address = socket.getaddrinfo(server, 123, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect(address)
        sent = time.time()
        stamp = struct.pack("!II", int(sent) + TO_UNIX, int(sent % 1 * 2**32))
        sock.send(CLIENT + stamp)
        data = sock.recv(512)
        arrived = time.time()
    if len(data) < 48 or data[24:32] != stamp or data[1] == 0:
        raise OSError(f"{server} gave no usable time")
    received, answered = _unix(data, 32), _unix(data, 40)
    return ((received - sent) + (answered - arrived)) / 2


def _unix(data: bytes, at: int) -> float:
    seconds, fraction = struct.unpack_from("!II", data, at)
    return float(seconds - TO_UNIX + fraction / 2**32)


@section("time_servers")
def time_servers(request: Request) -> dict[str, Any]:
    """Return each declared server's offset, or why it gave none."""
    found: dict[str, Any] = {}
    for server in request["time_servers"]:
        try:
            found[server] = round(offset_of(server), 6)
        except OSError as error:
            found[server] = f"{error.strerror or error}"
    return found


@section("time_addresses")
def time_addresses(request: Request) -> dict[str, list[str]]:
    """Return the addresses of each declared server, none for a name that nobody knows."""
    found: dict[str, list[str]] = {}
    for server in request["time_servers"]:
        try:
            answers = socket.getaddrinfo(server, 123, type=socket.SOCK_DGRAM)
        except OSError:
            answers = []
        found[server] = [str(address[0]) for *_, address in answers]
    return found


@section("chrony")
def chrony(request: Request) -> dict[str, str]:
    """Return chrony's own view; a daemon just started gets some seconds to find its sources."""
    tracking = said("chronyc", "-c", "tracking")
    if tracking.strip().endswith("Not synchronised"):
        said("chronyc", "waitsync", "8", "0", "0", "1", accept=(0, 1))
        tracking = said("chronyc", "-c", "tracking")
    named, numbered = said("chronyc", "-c", "-N", "sources"), said("chronyc", "-c", "-n", "sources")
    return {"tracking": tracking, "sources": named, "addresses": numbered}


@section("zone")
def zone(request: Request) -> str:
    """Return the name of the time zone that /etc/localtime links to."""
    path = os.path.realpath("/etc/localtime")
    return path.partition("/zoneinfo/")[2] or text("/etc/timezone").strip() or "UTC"
