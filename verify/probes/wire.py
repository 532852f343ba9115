"""Watch a cable for packets that must never be on it in clear: those between given networks.

What else passes is counted too: a probe that is blind must not pass for a wire that is clean.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, ip_network

from verify.probes.arguments import parser, show
from verify.probes.frame import Frame, frames, tapped

ESP = 50
NAT_T = 4500
MOST = 5


@dataclass(frozen=True)
class Seen:
    """What passed: in clear, and protected."""

    clear: int
    """Packets between the networks, or to or from a far one, as they are."""
    protected: int
    """Packets of ESP, or of ESP in UDP, from or to the address."""
    other: int
    examples: tuple[str, ...]


def watch(
    address: str, far: Sequence[IPv4Network], *, interface: str | None = None, seconds: float = 5.0
) -> Seen:
    """Watch for some seconds; `far` are the networks that nothing may name here. Raises OSError."""
    until, counts = time.monotonic() + seconds, {"clear": 0, "protected": 0, "other": 0}
    examples: list[str] = []
    with tapped(interface) as tap:
        for frame in frames(tap, until):
            kind = sort(frame, address, far)
            counts[kind] += 1
            if kind == "clear" and len(examples) < MOST:
                examples.append(str(frame))
    return Seen(counts["clear"], counts["protected"], counts["other"], tuple(examples))


def sort(frame: Frame, address: str, far: Sequence[IPv4Network]) -> str:
    """Say what a packet on the cable is: "clear", "protected" or "other"."""
    if any(end in network for network in far for end in (frame.source, frame.destination)):
        return "clear"
    ours = address in (str(frame.source), str(frame.destination))
    return "protected" if ours and (frame.protocol == ESP or NAT_T in frame.ports) else "other"


def main() -> int:
    """Print what passed; exit code 0 either way, 1 when it was impossible to look."""
    made = parser("verify.probes.wire", "Watch a cable for packets of networks that belong into a tunnel.")
    made.add_argument("--far", action="append", type=ip_network, required=True, metavar="NETWORK",
                      help="a network behind the tunnel (repeatable)")  # fmt: skip
    made.add_argument("--interface", help="the end of the cable (all interfaces when none is named)")
    given = made.parse_args()
    try:
        seen = watch(given.address, given.far, interface=given.interface, seconds=given.timeout)
    except OSError as error:
        sys.stderr.write(f"{given.interface or 'any interface'}: {error.strerror or error}\n")
        return 1
    lines = [f"{seen.clear} in clear, {seen.protected} protected, {seen.other} other", *seen.examples]
    show(asdict(seen), lines, as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
