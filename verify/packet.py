"""A packet as the kernel's rules see it, and whether one condition of a rule holds for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
PING = {"icmp": ("8", "echo-request"), "ipv6-icmp": ("128", "echo-request")}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection; ports are 0 where the protocol has none."""

    source: Address
    destination: Address
    protocol: str
    port: int = 0
    source_port: int = 40000
    inward: str = "eth0"
    outward: str = ""
    local: bool = True
    """It is for the host itself, not to be passed on."""
    original: int = 0
    """The port it was sent to, before a container's own took its place; 0 where that is `port`."""

    def __str__(self) -> str:
        port = f" port {self.port}" if self.port else ""
        return f"{self.protocol}{port} from {self.source}" + ("" if self.local else f" to {self.destination}")


@dataclass(frozen=True)
class Condition:
    """One option of a rule, such as `--dport 22`; `inverted` when a `!` stands before it."""

    option: str
    values: tuple[str, ...] = field(default=())
    inverted: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Say whether it holds for the packet; None when that cannot be known from the rule alone."""
        judge = _JUDGES.get(self.option)
        if judge is None:
            return None
        held = judge(self.values[0] if self.values else "", packet)
        return held if held is None else held is not self.inverted


def _in_ports(text: str, port: int) -> bool:
    ranges = (part.partition(":")[::2] for part in text.split(","))
    return any(int(first or 0) <= port <= int(last or first or 65535) for first, last in ranges)


def _port(pick: Callable[[Packet], int]) -> Callable[[str, Packet], bool | None]:
    return lambda text, packet: packet.protocol in ("tcp", "udp", "sctp") and _in_ports(text, pick(packet))


def _network(pick: Callable[[Packet], Address]) -> Callable[[str, Packet], bool | None]:
    return lambda text, packet: pick(packet) in ip_network(text, strict=False)


def _range(pick: Callable[[Packet], Address]) -> Callable[[str, Packet], bool | None]:
    def judge(text: str, packet: Packet) -> bool:
        low, _, high = text.partition("-")
        return int(ip_address(low)) <= int(pick(packet)) <= int(ip_address(high or low))

    return judge


def _interface(pick: Callable[[Packet], str]) -> Callable[[str, Packet], bool | None]:
    def judge(text: str, packet: Packet) -> bool:
        name = pick(packet)
        return name.startswith(text[:-1]) if text.endswith("+") else name == text

    return judge


def _protocol(text: str, packet: Packet) -> bool:
    names = {
        "icmpv6": "ipv6-icmp",
        "1": "icmp",
        "6": "tcp",
        "17": "udp",
        "58": "ipv6-icmp",
        "all": packet.protocol,
    }
    return names.get(text, text) == packet.protocol


def _state(text: str, packet: Packet) -> bool:
    return "NEW" in text.split(",")


def _ping(text: str, packet: Packet) -> bool:
    return text.partition("/")[0] in PING.get(packet.protocol, ()) or (
        text == "any" and packet.protocol in PING
    )


def _destination_type(text: str, packet: Packet) -> bool:
    return ("LOCAL" if packet.local else "UNICAST") in text.split(",")


_JUDGES: dict[str, Callable[[str, Packet], bool | None]] = {
    "-s": _network(lambda p: p.source),
    "-d": _network(lambda p: p.destination),
    "-p": _protocol,
    "-i": _interface(lambda p: p.inward),
    "-o": _interface(lambda p: p.outward),
    "--dport": _port(lambda p: p.port),
    "--dports": _port(lambda p: p.port),
    "--sport": _port(lambda p: p.source_port),
    "--sports": _port(lambda p: p.source_port),
    "--ctorigdstport": lambda text, p: _in_ports(text, p.original or p.port),
    "--ctdir": lambda text, p: text == "ORIGINAL",
    "--ports": lambda text, p: _in_ports(text, p.port) or _in_ports(text, p.source_port),
    "--src-range": _range(lambda p: p.source),
    "--dst-range": _range(lambda p: p.destination),
    "--ctstate": _state,
    "--state": _state,
    "--icmp-type": _ping,
    "--icmpv6-type": _ping,
    "--dst-type": _destination_type,
    "--src-type": lambda text, p: "UNICAST" in text.split(","),
    "--rt-type": lambda text, p: False,
    "--syn": lambda text, p: p.protocol == "tcp",
}
