"""All packets, as a few: one for each region in which no rule and no declaration can tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from inventories.model import Network, Opening
from verify.packet import Address
from verify.rules import Table, mentioned

ANYBODY = {4: "203.0.113.66", 6: "2001:db8:ffff::66"}
"""Somebody outside whom nobody declares (RFC 5737, RFC 3849)."""
PORTS = ("--dport", "--dports", "--ports", "--ctorigdstport")
NOT_A_SOURCE = tuple(
    map(ip_network, ("127.0.0.0/8", "224.0.0.0/4", "0.0.0.0/8", "::1/128", "ff00::/8", "::/128"))
)


def sources(version: int, tables: Iterable[Table], declared: Iterable[Network]) -> tuple[Address, ...]:
    """Return one address for each set of addresses that all rules and declarations treat alike."""
    named = [ip_network(text, strict=False) for table in tables for text in mentioned(table, "-s")]
    ranged = [
        part for table in tables for text in mentioned(table, "--src-range") for part in text.split("-")
    ]
    networks = dict.fromkeys(
        n for n in (*named, *declared, *map(ip_network, ranged)) if n.version == version and n.prefixlen
    )
    found: dict[tuple[bool, ...], Address] = {}
    for address in (ip_address(ANYBODY[version]), *_edges(networks)):
        if not any(address in network for network in NOT_A_SOURCE if network.version == version):
            found.setdefault(tuple(address in network for network in networks), address)
    return tuple(found.values())


def _edges(networks: Iterable[IPv4Network | IPv6Network]) -> Iterator[Address]:
    for network in networks:
        largest = 2**network.max_prefixlen - 1
        first, last = int(network.network_address), int(network.broadcast_address)
        kind = type(network.network_address)
        yield from (kind(n) for n in (first, last, first - 1, last + 1) if 0 < n < largest)


def ports(tables: Iterable[Table], declared: Iterable[Opening]) -> tuple[int, ...]:
    """Return the edges of every range of ports that a rule or an opening names, from both sides."""
    edges = {1, 65535}
    for text in (t for table in tables for t in mentioned(table, *PORTS)):
        for part in text.split(","):
            first, _, last = part.partition(":")
            low, high = int(first or 0), int(last or first or 65535)
            edges |= {low - 1, low, high, high + 1}
    for opening in declared:
        edges |= {opening.ports.first - 1, opening.ports.first, opening.ports.last, opening.ports.last + 1}
    return tuple(sorted(port for port in edges if 1 <= port <= 65535))
