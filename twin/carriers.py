"""The carriers that an environment's trunks lead to: who stands there, with which addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from inventories.model import AddressTrunk, Environment, Host, RegisteringTrunk, Trunk
from inventories.model.addresses import PRIVATE

ANYWHERE = IPv4Address("192.0.2.230")
"""Where the first proxy stands whose address nobody declares; the next ones follow."""


@dataclass(frozen=True)
class Proxy:
    """One machine of a carrier: its node, its addresses, and what the trunk calls it."""

    node: str
    field: str
    """server, primary or backup."""
    server: str
    """The name or address that calls are sent to."""
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Carrier:
    """One carrier with its machines, and the trunks that lead to it."""

    name: str
    lines: tuple[tuple[Host, Trunk], ...]
    proxies: tuple[Proxy, ...]

    @property
    def trunk(self) -> Trunk:
        """The first of its trunks."""
        return self.lines[0][1]

    @property
    def kind(self) -> str:
        """How it knows us: address or registration."""
        return "registration" if isinstance(self.trunk, RegisteringTrunk) else "address"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that it calls from."""
        return tuple(address for proxy in self.proxies for address in proxy.addresses)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of its machines."""
        return tuple(proxy.node for proxy in self.proxies)


def has_telephony(environment: Environment) -> bool:
    """Say whether anybody answers SIP: a host that is a telephone exchange, or a PBX behind a tunnel."""
    peers = (peer for host in environment.hosts if host.strongswan for peer in host.strongswan.peers)
    return any(host.asterisk for host in environment.hosts) or any(peer.sip for peer in peers)


def carriers(environment: Environment) -> tuple[Carrier, ...]:
    """Return the carriers: trunks to the same addresses lead to one; who is behind a tunnel is none."""
    found: dict[object, list[tuple[Host, Trunk]]] = {}
    for host, trunk in _trunks(environment):
        found.setdefault((trunk.kind, trunk.addresses, trunk.servers), []).append((host, trunk))
    named: dict[str, Carrier] = {}
    nameless = iter(range(16))
    for lines in found.values():
        host, chief = lines[0]
        name = chief.name if chief.name not in named else f"{chief.name}-{host.name}"
        named[name] = Carrier(name, tuple(lines), _proxies(f"carrier-{name}", chief, nameless))
    return tuple(named.values())


def _trunks(environment: Environment) -> Iterator[tuple[Host, AddressTrunk | RegisteringTrunk]]:
    own = {host.address.ip for host in environment.hosts}
    for host in environment.hosts:
        for trunk in host.asterisk.trunks if host.asterisk else ():
            literal = [its for _, server in trunk.servers if (its := _address(server))]
            places = [*trunk.addresses, *map(IPv4Network, literal)]
            hidden = any(place.subnet_of(each) for place in places for each in PRIVATE)
            if not hidden and own.isdisjoint(literal):
                yield host, trunk


def _proxies(node: str, trunk: Trunk, nameless: Iterator[int]) -> tuple[Proxy, ...]:
    literal = {server: its for _, server in trunk.servers if (its := _address(server))}
    known = set(literal.values())
    declared = [_first(network) for network in trunk.addresses if not any(its in network for its in known)]
    if isinstance(trunk, AddressTrunk):
        addresses = (*map(str, literal.values()), *map(str, declared))
        return (Proxy(node, "server", str(trunk.server), addresses),)
    free, proxies = iter(declared), []
    for number, (field, server) in enumerate(trunk.servers):
        its = literal.get(server) or next(free, None) or ANYWHERE + next(nameless)
        proxies.append(Proxy(f"{node}-{field}" if number else node, field, server, (str(its),)))
    return tuple(proxies)


def _first(network: IPv4Network) -> IPv4Address:
    return next(iter(network.hosts()))


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def carrier_nodes(environment: Environment) -> dict[str, tuple[str, ...]]:
    """Return the nodes of all carriers with their addresses."""
    return {proxy.node: proxy.addresses for each in carriers(environment) for proxy in each.proxies}


def carrier_names(environment: Environment) -> dict[str, tuple[str, ...]]:
    """Return the names of carriers' machines, each with the address that calls are sent to."""
    every = (proxy for each in carriers(environment) for proxy in each.proxies)
    return {proxy.server: proxy.addresses[:1] for proxy in every if not _address(proxy.server)}
