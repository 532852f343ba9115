"""TCP ports as a stranger sees them, with a control: a blind probe must not pass for a closed port."""

from __future__ import annotations

from dataclasses import dataclass

from inventories.model import Environment, Host
from verify.observed import Observed
from verify.probes.arguments import ranges
from verify.vantage import Vantage

WELL_KNOWN = (
    21, 22, 23, 25, 53, 80, 110, 111, 113, 135, 139, 143, 389, 443, 445, 465, 514, 587, 631, 636, 873, 993,
    995, 1433, 1521, 1883, 2049, 2222, 2375, 2376, 2379, 3000, 3128, 3142, 3306, 3389, 4369, 5000, 5038, 5060,
    5061, 5432, 5672, 5900, 5984, 6379, 6443, 8000, 8008, 8080, 8086, 8088, 8089, 8443, 8888, 9000, 9090,
    9092, 9100, 9200, 9418, 10000, 10050, 10250, 11211, 15672, 27017, 50000,
)  # fmt: skip
"""Ports whose services attackers look for first."""


@dataclass(frozen=True)
class Ports:
    """One address: the open ports, which were looked at (as ranges), what proved that one could see."""

    open: frozenset[int]
    looked_at: str
    control: str
    """"port N", "ping", or nothing: then silence means nothing."""


def open_to_anybody(host: Host, environment: Environment) -> set[int]:
    """Return the TCP ports that the declared openings let everybody reach."""
    openings = (o for o in host.openings(environment) if o.protocol == "tcp" and not o.sources)
    return {port for o in openings for port in range(o.ports.first, o.ports.last + 1)}


def stranger_sees(observed: Observed, host: Host, vantage: Vantage, address: str) -> Ports:
    """Look at all ports in a thorough run, else at declared, listening and well-known ones."""
    wanted = open_to_anybody(host, observed.environment)
    found = _all(vantage, address) if observed.thorough else _some(observed, host, vantage, address)
    seen, looked_at = found
    control = next((f"port {port}" for port in sorted(seen & wanted)), "")
    if not control and host.firewall.answer_ping and vantage.probe("ping", address)["answers"]:
        control = "ping"
    return Ports(frozenset(seen), looked_at, control)


def _all(vantage: Vantage, address: str) -> tuple[set[int], str]:
    seen = vantage.probe("sweep", address, timeout=120)
    return set(seen["open"]), "1-65535"


def _some(observed: Observed, host: Host, vantage: Vantage, address: str) -> tuple[set[int], str]:
    openings = host.openings(observed.environment)
    declared = {port for o in openings if o.protocol == "tcp" for port in (o.ports.first, o.ports.last)}
    first = {*WELL_KNOWN, *declared}
    seen = _connect(vantage, address, first)  # while the host still tells on which others it listens
    listeners = observed.snapshot(host)["listeners"]
    rest = {each["port"] for each in listeners if each["protocol"] == "tcp"} - first
    return seen | _connect(vantage, address, rest), ranges(first | rest)


def _connect(vantage: Vantage, address: str, ports: set[int]) -> set[int]:
    if not ports:
        return set()
    seen = vantage.probe("tcp", address, "--ports", ranges(ports), "--timeout", "0.7")
    return {each["port"] for each in seen["ports"] if each["state"] == "open"}
