"""See connections begin: the first segments that reach a port, with where they come from and their MSS.

Started on the far side while somebody connects: what arrives tells of clamps and of translated addresses.
"""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import asdict, dataclass

from verify.probes.arguments import parser, show
from verify.probes.frame import Frame, frames, tapped
from verify.probes.segment import ACK, HEADER, SYN

END, NOTHING, MAXIMUM = 0, 1, 2


@dataclass(frozen=True)
class Begun:
    """The first segment of a connection."""

    source: str
    destination: str
    port: int
    mss: int | None
    """Bytes of the largest segment it would take (RFC 9293, section 3.7.1), None where it is silent."""


def begun(address: str, port: int, *, count: int = 1, seconds: float = 10.0) -> list[Begun]:
    """Wait for SYNs to an address and port, `count` at most; needs CAP_NET_RAW. Raises OSError."""
    until, found = time.monotonic() + seconds, []
    with tapped(None) as tap:
        sys.stderr.write("ready\n")
        sys.stderr.flush()
        for frame in frames(tap, until):
            if str(frame.destination) == address and (seen := first_segment(frame, port)):
                found.append(seen)
                if len(found) >= count:
                    break
    return found


def first_segment(frame: Frame, port: int) -> Begun | None:
    """Read a frame as a SYN to a port; None for anything else."""
    if frame.protocol != socket.IPPROTO_TCP or len(frame.data) < HEADER.size or frame.ports[1] != port:
        return None
    offset, flags = HEADER.unpack_from(frame.data)[4:6]
    if flags & (SYN | ACK) != SYN:
        return None
    mss = maximum_segment(frame.data[HEADER.size : (offset >> 4) * 4])
    return Begun(str(frame.source), str(frame.destination), port, mss)


def maximum_segment(options: bytes) -> int | None:
    """Return the MSS among a segment's options, None where there is none (RFC 9293, section 3.2)."""
    at = 0
    while at < len(options) and options[at] != END:
        if options[at] == NOTHING:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        if options[at] == MAXIMUM and options[at + 1] == 4 and at + 4 <= len(options):
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += options[at + 1]
    return None


def main() -> int:
    """Print the SYNs that came; exit code 0 either way, 1 when it was impossible to look."""
    made = parser("verify.probes.syn", "See who begins connections to a port of an address.")
    made.add_argument("--port", type=int, required=True, help="the port")
    made.add_argument("--count", type=int, default=1, help="end after so many (default 1)")
    given = made.parse_args()
    try:
        found = begun(given.address, given.port, count=given.count, seconds=given.timeout)
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    lines = [f"from {each.source}, MSS {each.mss}" for each in found] or ["nobody"]
    show({"address": given.address, "begun": [asdict(each) for each in found]}, lines, as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
