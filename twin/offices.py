"""The offices that an environment's tunnels lead to: who stands there, with which addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from inventories.model import Environment, Host
from inventories.model.strongswan import Peer

ANYWHERE = IPv4Address("192.0.2.220")
"""Where the first office calls from whose address nobody declares; the next ones follow."""
CARRIERS = IPv4Network("100.64.0.0/24")
"""The network between NAT and gateway where the gateway's id is an address of its LAN (RFC 6598)."""
PBX = 10
"""The number of the PBX in an office's network, where no other is declared."""


@dataclass(frozen=True)
class Link:
    """A cable within an office or a private network: its node, its interface, what it is plugged into."""

    node: str
    interface: str
    net: str
    addresses: tuple[str, ...]
    gateway: str | None = None


@dataclass(frozen=True)
class Office:
    """One gateway with what is behind it, and the tunnels that it ends."""

    name: str
    address: str
    """Its public address."""
    tunnels: tuple[tuple[Host, Peer], ...]
    lan: tuple[IPv4Interface, ...]
    """The gateway in each network behind it."""
    phones: tuple[IPv4Interface, ...]
    """The PBX in each of them; the one that answers is first."""
    wan: IPv4Interface | None
    """The gateway behind the NAT; None where there is none."""
    router: IPv4Interface | None
    """The NAT, as the gateway sees it."""

    @property
    def gateway(self) -> str:
        """The gateway's node."""
        return f"gateway-{self.name}"

    @property
    def pbx(self) -> str:
        """The PBX's node."""
        return f"pbx-{self.name}"

    @property
    def outer(self) -> str:
        """The node that has the public address."""
        return f"nat-{self.name}" if self.wan else self.gateway

    @property
    def nodes(self) -> tuple[str, ...]:
        """All of its nodes, from outside in."""
        return tuple(dict.fromkeys((self.outer, self.gateway, self.pbx)))

    def links(self) -> Iterator[Link]:
        """Yield the cables within the office."""
        if self.wan and self.router:
            net = f"wan of {self.name}"
            yield Link(self.outer, "eth1", net, (str(self.router),))
            yield Link(self.gateway, "eth0", net, (str(self.wan),), str(self.router.ip))
        net = f"lan of {self.name}"
        yield Link(self.gateway, "eth1", net, tuple(map(str, self.lan)))
        yield Link(self.pbx, "eth0", net, tuple(map(str, self.phones)), str(self.lan[0].ip))


def offices(environment: Environment) -> tuple[Office, ...]:
    """Return the offices: tunnels to one address lead to one; a host of the environment is none."""
    own = {host.address.ip for host in environment.hosts}
    found: dict[str, list[tuple[Host, Peer]]] = {}
    for host in environment.hosts:
        for peer in host.strongswan.peers if host.strongswan else ():
            if peer.address not in own:
                place = str(peer.address or f"{host.name} {peer.name}")
                found.setdefault(place, []).append((host, peer))
    named: dict[str, Office] = {}
    for number, tunnels in enumerate(found.values()):
        host, peer = tunnels[0]
        name = peer.name if peer.name not in named else f"{peer.name}-{host.name}"
        named[name] = _office(name, tuple(tunnels), str(peer.address or ANYWHERE + number))
    return tuple(named.values())


def _office(name: str, tunnels: tuple[tuple[Host, Peer], ...], address: str) -> Office:
    peers = [peer for _, peer in tunnels]
    networks = dict.fromkeys(_roomy(network) for peer in peers for network in peer.remote)
    answers = [peer.answers for peer in peers if peer.answers]
    ids = [its for peer in peers if (its := _address(peer.id))]
    phones, lan = [], []
    for network in networks:
        phone = next((its for its in answers if its in network), None) or _tenth(peers, network)
        mine = next((its for its in ids if its in network), None) or _free(network, (phone, *answers))
        phones.append(IPv4Interface((phone, network.prefixlen)))
        lan.append(IPv4Interface((mine, network.prefixlen)))
    phones.sort(key=lambda phone: phone.ip not in answers)
    lan.sort(key=lambda mine: phones[0] not in mine.network)
    private = next((its for its in ids if str(its) != address), None)
    wan = _behind_nat(private, networks) if private else None
    router = IPv4Interface((_free(wan.network, (wan.ip,)), wan.network.prefixlen)) if wan else None
    return Office(name, address, tunnels, tuple(lan), tuple(phones), wan, router)


def _behind_nat(private: IPv4Address, networks: Iterable[IPv4Network]) -> IPv4Interface:
    around = IPv4Interface(f"{private}/24")
    if any(around.network.overlaps(network) for network in networks):
        return IPv4Interface((CARRIERS[2], CARRIERS.prefixlen))
    return around


def _roomy(network: IPv4Network) -> IPv4Network:
    """Return a network with room for a gateway and a PBX: a single declared address is one of a LAN's."""
    return network if network.prefixlen <= 28 else network.supernet(new_prefix=24)


def _tenth(peers: list[Peer], network: IPv4Network) -> IPv4Address:
    narrow = [each for peer in peers for each in peer.remote if _roomy(each) == network]
    return network[PBX] if network in narrow else next(narrow[0].hosts())


def _free(network: IPv4Network, taken: Iterable[IPv4Address]) -> IPv4Address:
    used = set(taken)
    return next(address for address in network.hosts() if address not in used)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def beside(environment: Environment) -> Iterator[Link]:
    """Yield the second cables of hosts that have a private network, and who is beside them in it."""
    homes = [
        (host, host.strongswan.address, host.strongswan.interface)
        for host in environment.hosts
        if host.strongswan and host.strongswan.address and host.strongswan.interface not in ("lo", "eth0")
    ]
    taken = {address.ip for _, address, _ in homes}
    for host, address, interface in homes:
        net = f"private {address.network}"
        its = _free(address.network, taken)
        taken.add(its)
        # The host's own deploy gives it its address there.
        yield Link(host.name, interface, net, ())
        yield Link(
            f"beside-{host.name}", "eth0", net, (f"{its}/{address.network.prefixlen}",), str(address.ip)
        )


def private_nodes(environment: Environment) -> tuple[str, ...]:
    """Return the nodes of all offices, and those beside the hosts."""
    of_offices = [node for office in offices(environment) for node in office.nodes]
    links = [link.node for link in beside(environment) if link.addresses]
    return tuple(dict.fromkeys((*of_offices, *links)))
