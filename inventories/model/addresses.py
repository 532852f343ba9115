"""Addresses and networks as an inventory writes them, and those that exist in documentation only."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Annotated, Any

from pydantic import BeforeValidator

from inventories.model.wanted import Wanted, refusal, shown

Address = IPv4Address | IPv6Address
DOCUMENTATION = tuple(
    map(
        ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    )
)
"""Networks that are never routed (RFC 5737, RFC 3849, RFC 9637)."""
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
"""Networks that only their own neighbours can reach (RFC 1918, RFC 6598)."""
WIDEST = {4: 16, 6: 32}
"""The shortest prefix of a network that may stand above the rules: a provider's size, not the world's."""


def is_documentation(network: IPv4Network | IPv6Network) -> bool:
    """Say whether a network is one that documentation reserves."""
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in DOCUMENTATION
    )


def too_wide(network: IPv4Network | IPv6Network) -> bool:
    """Say whether a network holds so many strangers that it may not be trusted as one party."""
    return network.prefixlen < WIDEST[network.version]


def host_network(address: Address) -> IPv4Network | IPv6Network:
    """Return the network that holds this address alone."""
    return ip_network(address)


def _network(value: Any) -> Any:
    try:
        ip_network(value)
    except ValueError:
        try:
            meant = ip_interface(value)
        except ValueError:
            return value
        remedy = f"write {meant.network} for the network or {meant.ip}/{meant.max_prefixlen} for the address"
        raise refusal(shown(value), "a network", remedy) from None
    return value


def _with_prefix(value: Any) -> Any:
    if isinstance(value, str) and "/" not in value:
        try:
            ip_interface(value)
        except ValueError:
            return value
        remedy = f"write {value}/ and the prefix length that the provider names"
        raise refusal(shown(value), "an address with its network's prefix", remedy)
    return value


Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
    Wanted("a network", 'write it as "198.51.100.0/24" or "2001:db8::/48"'),
]
Network4 = Annotated[
    IPv4Network,
    BeforeValidator(_network),
    Wanted("an IPv4 network", 'write it as "192.168.150.0/24"'),
]
Address4 = Annotated[IPv4Address, Wanted("an IPv4 address", 'write it as "198.51.100.11"')]
Interface4 = Annotated[
    IPv4Interface,
    BeforeValidator(_with_prefix),
    Wanted("an IPv4 address with its network's prefix", 'write it as "198.51.100.11/24"'),
]
Interface6 = Annotated[
    IPv6Interface,
    BeforeValidator(_with_prefix),
    Wanted("an IPv6 address with its network's prefix", 'write it as "2001:db8:100::11/64"'),
]
