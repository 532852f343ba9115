"""UFW, reconciled to exactly the openings that the services contribute."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Literal

from inventories.model.problem import Problem
from inventories.model.record import Record, Service
from inventories.model.values import Network, Opening

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

GUARDED: dict[tuple[str, int], str] = {
    ("tcp", 23): "Telnet",
    ("tcp", 111): "rpcbind",
    ("udp", 111): "rpcbind",
    ("udp", 161): "SNMP",
    ("tcp", 445): "SMB",
    ("tcp", 1433): "SQL Server",
    ("tcp", 2049): "NFS",
    ("tcp", 2375): "the Docker API",
    ("tcp", 2376): "the Docker API",
    ("tcp", 2379): "etcd",
    ("tcp", 3306): "MySQL",
    ("tcp", 4573): "Asterisk's AGI",
    ("tcp", 5038): "Asterisk's AMI",
    ("tcp", 5432): "PostgreSQL",
    ("tcp", 5672): "RabbitMQ",
    ("tcp", 5900): "VNC",
    ("tcp", 6379): "Redis",
    ("tcp", 8088): "Asterisk's ARI without TLS",
    ("tcp", 9200): "Elasticsearch",
    ("tcp", 10250): "kubelet",
    ("tcp", 11211): "memcached",
    ("udp", 11211): "memcached",
    ("tcp", 27017): "MongoDB",
}
"""Ports whose usual service gives data or command to whoever reaches it."""


class Forward(Record):
    """Traffic that a host passes on between two networks (a tunnel's two sides)."""

    source: Network
    destination: Network
    why: str


class Firewall(Service):
    """What the firewall adds to the services' own openings."""

    collects: ClassVar[bool] = True

    extra: tuple[Opening, ...] = ()
    """Openings that no service of ours contributes."""
    logging: Literal["off", "low", "medium", "high", "full"] = "low"
    forwards: tuple[Forward, ...] = ()
    answer_ping: bool = True

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield the kernel's permission to forward, for the families that are forwarded."""
        versions = {forward.source.version for forward in host.forwards(environment)}
        if 4 in versions:
            yield "net.ipv4.ip_forward", "1"
        if 6 in versions:
            yield "net.ipv6.conf.all.forwarding", "1"

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield openings that clash, admit nobody, or let the world in where it must not be."""
        contributed = [
            (name, opening)
            for name, service in host.services.items()
            for opening in service.openings(host, environment)
        ]
        extra = [(f"extra[{index}]", opening) for index, opening in enumerate(self.extra)]
        for (name, one), (other, two) in combinations(contributed, 2):
            if name != other and _overlap(one, two):
                yield self.problem(
                    host,
                    other,
                    f"{two} overlaps {one} of {name}",
                    "ports of its own for each service",
                    f"move {other} or {name} to another port",
                )
        for place, opening in extra:
            yield from self._besides(host, place, opening, contributed)
            yield from self._sources(host, place, opening)
        for (_, one), (place, two) in combinations(extra, 2):
            if _overlap(one, two) and _same_people(one, two):
                yield self.problem(
                    host,
                    place,
                    f"{two} opens what {one} opens already",
                    "each opening once",
                    "put the two into one",
                )
        for place, opening in (*contributed, *extra):
            yield from self._guarded(host, place, opening)
        yield from self._forwards(host)

    def _besides(
        self, host: Host, place: str, opening: Opening, contributed: list[tuple[str, Opening]]
    ) -> Iterator[Problem]:
        for name, other in contributed:
            if not _overlap(opening, other):
                continue
            limited = bool(other.sources) and not opening.sources
            yield self.problem(
                host,
                place,
                f"{opening} opens to the world what {name}.sources limits"
                if limited
                else f"{opening} opens what {name} opens already",
                "each port opened by one",
                f"take it out, {name} says who may reach it",
            )

    def _sources(self, host: Host, place: str, opening: Opening) -> Iterator[Problem]:
        if opening.sources and not any(host.speaks(source) for source in opening.sources):
            yield self.problem(
                host,
                f"{place}.sources",
                f"{opening} admits only IPv6 networks on a host without IPv6",
                "a source that can reach it",
                "add an IPv4 network, or address6 to this host",
            )
        for source in opening.sources:
            if source.prefixlen == 0:
                yield self.problem(
                    host,
                    f"{place}.sources",
                    f"{source} is everyone",
                    "who may reach it",
                    "name their networks, or leave sources out to admit everyone",
                )

    def _guarded(self, host: Host, place: str, opening: Opening) -> Iterator[Problem]:
        if opening.sources:
            return
        for (protocol, port), what in GUARDED.items():
            if protocol == opening.protocol and port in opening.ports:
                yield self.problem(
                    host,
                    place,
                    f"{opening} opens {what} ({protocol} {port}) to the world",
                    "the networks that need it",
                    "add sources=(...), or take it out",
                )

    def _forwards(self, host: Host) -> Iterator[Problem]:
        for index, forward in enumerate(self.forwards):
            place = f"forwards[{index}]"
            between = f"from {forward.source} to {forward.destination}"
            if forward.source.version != forward.destination.version:
                yield self.problem(
                    host, place, between, "two networks of one family", "write one Forward for each family"
                )
            elif forward.source.overlaps(forward.destination):
                yield self.problem(
                    host, place, between, "two networks that share no address", "correct one of the two"
                )
            if forward in self.forwards[:index]:
                yield self.problem(
                    host,
                    place,
                    f"{between} stands here twice",
                    "each forward once",
                    "take one of the two out",
                )


def _overlap(one: Opening, two: Opening) -> bool:
    return one.protocol == two.protocol and one.ports.overlaps(two.ports)


def _same_people(one: Opening, two: Opening) -> bool:
    if not one.sources or not two.sources:
        return True
    return any(a.version == b.version and a.overlaps(b) for a in one.sources for b in two.sources)
