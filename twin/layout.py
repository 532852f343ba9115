"""The twin's map: which node has which address, how it is wired to the world, and what answers where.

The world is one router. Hosts of one subnet share a bridge in it; controller, stranger, carriers and offices
stand alone behind it. What is private is plugged into a switch that has no way to the world. All of them are
network namespaces `<twin>.<node>`; a twin's name has no dot: none is shared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from itertools import chain, cycle

from control.errors import TrunklineError
from inventories.model import Environment, Host
from twin.carriers import carrier_names, carrier_nodes
from twin.cgroup import mark
from twin.offices import beside, offices, private_nodes
from twin.outside import database_nodes, directories, registries

WORLD = "world"
SWITCH = "switch"
CONTROLLER = "controller"
STRANGER = "stranger"
DNS = "192.0.2.53"
NTP = ("192.0.2.123", "192.0.2.124", "192.0.2.125", "192.0.2.126")
"""chronyd takes two names of one address for one source, so each declared server has its own."""
PACKAGES = "192.0.2.80"
PACKAGES_PORT = 3142
REGISTRY = "192.0.2.90"
ACME = "192.0.2.91"
DATABASES = IPv4Address("192.0.2.200")
"""The first database's address; the next ones follow."""
STRANGERS = ("203.0.113.66", "2001:db8:ffff::66")
LONE_GATEWAYS = ("169.254.0.1", "fe80::1")
NAME = re.compile(r"^[a-z][a-z0-9-]{0,31}$")

Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Wire:
    """A node's cable: `end` is in the world or the switch. Without a bridge the node stands alone."""

    node: str
    end: str
    mac: str
    bridge: str | None
    addresses: tuple[str, ...]
    """What it has when it is plugged in; without any it is down, as a provider delivers a second one."""
    gateways: tuple[str, ...]
    interface: str = "eth0"


@dataclass(frozen=True)
class Bridge:
    """One subnet of hosts; its addresses are the hosts' gateways. A private network has none."""

    name: str
    addresses: tuple[str, ...]

    @property
    def space(self) -> str:
        """The node that the bridge is in."""
        return WORLD if self.addresses else SWITCH


@dataclass(frozen=True)
class Layout:
    """All of a twin's network."""

    twin: str
    bridges: tuple[Bridge, ...]
    wires: tuple[Wire, ...]
    names: dict[str, tuple[str, ...]]
    """What DNS answers: name -> addresses."""
    domain: str

    def wire(self, node: str) -> Wire:
        """Return a node's first cable; KeyError when there is no such node."""
        for wire in self.wires:
            if wire.node == node:
                return wire
        raise KeyError(node)

    def all_of(self, node: str) -> tuple[Wire, ...]:
        """Return every cable of a node."""
        return tuple(wire for wire in self.wires if wire.node == node)

    def space(self, wire: Wire) -> str:
        """Return the node that has the other end of a cable."""
        return next((bridge.space for bridge in self.bridges if bridge.name == wire.bridge), WORLD)

    def cables(self) -> str:
        """Return a text that changes when a cable, bridge or address does."""
        return repr((self.bridges, self.wires))

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(
            twin=data["twin"],
            bridges=tuple(Bridge(b["name"], tuple(b["addresses"])) for b in data["bridges"]),
            wires=tuple(
                Wire(**w | {"addresses": tuple(w["addresses"]), "gateways": tuple(w["gateways"])})
                for w in data["wires"]
            ),
            names={name: tuple(addresses) for name, addresses in data["names"].items()},
            domain=data["domain"],
        )


def namespace(twin: str, node: str) -> str:
    """Return the name of a node's network namespace."""
    return f"{mark(twin)}.{node}"


def layout_of(environment: Environment, twin: str) -> Layout:
    """Draw the map of an environment; TrunklineError where an address is taken twice."""
    if not NAME.match(twin):
        raise TrunklineError(
            f"{twin!r} is no name for a twin.", "Take at most 32 of a-z, 0-9 and -, a letter first."
        )
    databases = {node: (address,) for node, _, address in _databases(environment)}
    outer = {office.outer: (office.address,) for office in offices(environment)}
    lone = {CONTROLLER: _controller(environment), STRANGER: STRANGERS, **databases, **outer}
    lone |= carrier_nodes(environment)
    _refuse_clashes(environment, lone)
    bridges, wires = _subnets(environment, twin)
    for index, (node, addresses) in enumerate(lone.items()):
        families = {ip_address(address).version for address in addresses}
        ways = tuple(way for way in LONE_GATEWAYS if ip_address(way).version in families)
        wires.append(Wire(node, f"n{index}", _mac(twin, node), None, addresses, ways))
    nets, links = _private(environment, twin)
    both = (*bridges, *nets), (*wires, *links)
    return Layout(twin, *both, _names(environment), environment.domain)


def _private(environment: Environment, twin: str) -> tuple[list[Bridge], list[Wire]]:
    """The networks within offices, and the hosts' private ones."""
    links = [*chain.from_iterable(office.links() for office in offices(environment)), *beside(environment)]
    nets = {net: f"lan{number}" for number, net in enumerate(dict.fromkeys(link.net for link in links))}
    wires = [
        Wire(
            link.node,
            f"p{number}",
            _mac(twin, f"{link.node} {link.interface}"),
            nets[link.net],
            link.addresses,
            (link.gateway,) if link.gateway else (),
            link.interface,
        )
        for number, link in enumerate(links)
    ]
    return [Bridge(name, ()) for name in nets.values()], wires


def _names(environment: Environment) -> dict[str, tuple[str, ...]]:
    found = {host.name: tuple(str(i.ip) for i in _interfaces(host)) for host in environment.hosts}
    hosts = {f"{name}.{environment.domain}": addresses for name, addresses in found.items()}
    for host in environment.hosts:
        for name in (name for its in host.certificates(environment) for name in its.names):
            hosts[name] = tuple(dict.fromkeys((*hosts.get(name, ()), *found[host.name])))
    hosts |= dict.fromkeys(registries(environment), (REGISTRY,))
    hosts |= {directory.name: (ACME,) for directory in directories(environment)}
    hosts |= {host: (address,) for _, host, address in _databases(environment)}
    hosts |= carrier_names(environment)
    servers = dict.fromkeys(server for host in environment.hosts for server in host.time.servers)
    return hosts | {server: (address,) for server, address in zip(servers, cycle(NTP), strict=False)}


def _databases(environment: Environment) -> Iterator[tuple[str, str, str]]:
    """Yield node, name and address of each host of databases."""
    for number, (host, node) in enumerate(database_nodes(environment).items()):
        yield node, host, str(DATABASES + number)


def _controller(environment: Environment) -> tuple[str, ...]:
    """The first address of the first controller network of each family."""
    first: dict[int, str] = {}
    for network in environment.controllers:
        lone = network.prefixlen == network.max_prefixlen
        first.setdefault(network.version, str(network[0 if lone else 1]))
    return tuple(first.values())


def _subnets(environment: Environment, twin: str) -> tuple[list[Bridge], list[Wire]]:
    bridges: dict[IPv4Network, list[str]] = {}
    wires = []
    taken = {i.ip for host in environment.hosts for i in _interfaces(host)}
    gateways: dict[IPv4Network | IPv6Network, str] = {}
    for index, host in enumerate(environment.hosts):
        addresses = bridges.setdefault(host.address.network, [])
        for interface in _interfaces(host):
            network = interface.network
            if network not in gateways:
                gateways[network] = next(str(a) for a in network.hosts() if a not in taken)
                addresses.append(f"{gateways[network]}/{network.prefixlen}")
        name = f"br{list(bridges).index(host.address.network)}"
        mine = tuple(str(interface) for interface in _interfaces(host))
        ways = tuple(gateways[interface.network] for interface in _interfaces(host))
        wires.append(Wire(host.name, f"h{index}", _mac(twin, host.name), name, mine, ways))
    return [Bridge(f"br{n}", tuple(addresses)) for n, addresses in enumerate(bridges.values())], wires


def _interfaces(host: Host) -> tuple[Interface, ...]:
    return tuple(i for i in (host.address, host.address6) if i is not None)


def _refuse_clashes(environment: Environment, lone: dict[str, tuple[str, ...]]) -> None:
    seen = {DNS: "the twin's DNS", PACKAGES: "the twin's package proxy"}
    seen |= {REGISTRY: "the twin's image registry", ACME: "the twin's ACME authority"}
    seen |= dict.fromkeys(NTP, "the twin's time server")
    for node, addresses in lone.items():
        for address in addresses:
            if address in seen:
                raise TrunklineError(
                    f"The twin's {node} and {seen[address]} would have the same address {address}.",
                    "Give what is declared there another address.",
                )
            seen[address] = f"the twin's {node}"
    nodes = {WORLD, SWITCH, *lone, *private_nodes(environment)}
    for host in environment.hosts:
        if host.name in nodes:
            raise TrunklineError(
                f"A host named {host.name} cannot have a twin: the twin itself has a node of that name.",
                "Give the host another name.",
            )
        for interface in _interfaces(host):
            if str(interface.ip) in seen:
                raise TrunklineError(
                    f"{host.name} and {seen[str(interface.ip)]} have the same address {interface.ip}.",
                    "Give the host another address, or rehearse without it.",
                )
            seen[str(interface.ip)] = host.name


def _mac(twin: str, node: str) -> str:
    """A locally administered address that a reboot does not change."""
    digest = hashlib.sha256(f"{twin}.{node}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
