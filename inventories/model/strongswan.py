"""Site-to-site IPsec to offices: IKEv2 by strongSwan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from inventories.model.addresses import Address4, Interface4, Network4, host_network
from inventories.model.firewall import Forward
from inventories.model.ipsec import EspProposal, Group, Identity, IkeProposal, Lifetime, Proof
from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.tunnels import lint_tunnels
from inventories.model.values import Network, Opening
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

IKE_PORT = 500
NAT_T_PORT = 4500
"""IKE behind a NAT, and ESP in UDP (RFC 3948): with forced encapsulation nothing else is spoken."""
PeerName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9]{0,7}$"),
    Wanted("a peer's name", "use up to 8 small letters and digits, a letter first"),
]
InterfaceName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9.-]{0,14}$"),
    Wanted("the name of a network interface", 'write it as "eth1", or "lo" where nothing is behind the host'),
]
Mtu = Annotated[
    int,
    Field(ge=1280, le=1438),
    Wanted("a tunnel's MTU (1280-1438)", "1400 fits ESP in UDP on every path that carries 1500 bytes"),
]
Delay = Annotated[
    int, Field(ge=5, le=300), Wanted("a number of seconds from 5 to 300", "5 notices a dead peer soon")
]


class Peer(Proof):
    """The far end of a tunnel: an office's gateway, and what is behind it."""

    name: PeerName
    address: Address4 | None = None
    """Where the gateway is reached: its own public address, or that of the NAT in front of it.

    None: from anywhere; then the gateway calls, and this host only answers.
    """
    id: Identity
    """What the gateway calls itself; one behind a NAT mostly its private address."""
    local_id: Identity | None = None
    """What this host calls itself; None: its public address."""
    local: Annotated[tuple[Network4, ...], Field(min_length=1)]
    """The networks on this side that the tunnel carries."""
    remote: Annotated[tuple[Network4, ...], Field(min_length=1)]
    """The networks behind the gateway."""
    answers: Address4 | None = None
    """Somebody behind the gateway who answers pings: what proves the tunnel from end to end."""
    sip: bool = False
    """They are a PBX and answer SIP as well (UDP, port 5060): asked by the host, and from its containers."""
    ike: IkeProposal = IkeProposal()
    esp: EspProposal = EspProposal()
    pfs: Group | None = "modp2048"
    """What the gateway's own console says of PFS: its group, None where it is off."""
    ike_lifetime: Lifetime = 28800
    esp_lifetime: Lifetime = 3600
    dpd_delay: Delay = 5
    """Seconds of silence before the gateway is asked whether it lives (RFC 7296, section 1.4)."""

    @property
    def pairs(self) -> tuple[tuple[Network4, Network4], ...]:
        """Return each local network with each remote one: one child SA a pair, as gateways have it."""
        return tuple((local, remote) for local in self.local for remote in self.remote)

    def own_id(self, host: Host) -> str:
        """Return what the host calls itself to this peer."""
        return self.local_id or str(host.address.ip)


class Strongswan(Service):
    """Tunnels of this host; what they carry never leaves it in clear."""

    peers: Annotated[tuple[Peer, ...], Field(min_length=1)]
    address: Interface4 | None = None
    """This host's own address inside the local networks, with the prefix of the network on `interface`.

    None: its public address is in every peer's local networks itself.
    """
    interface: InterfaceName = "lo"
    """Where that address is: the interface to the hosts on this side, or lo where there are none."""
    mtu: Mtu = 1400
    """Bytes of the largest packet that the tunnels carry; TCP is clamped to fit."""
    userland: bool = False
    """ESP by strongSwan itself, for kernels that have none. Slower; found out by itself in a twin."""

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield IKE and encapsulated ESP, for the peers alone where all of them have an address."""
        fixed = [peer.address for peer in self.peers if peer.address is not None]
        known = len(fixed) == len(self.peers)
        sources = tuple(dict.fromkeys(map(host_network, fixed))) if known else ()
        yield Opening.port(IKE_PORT, "udp", "IKE", sources)
        yield Opening.port(NAT_T_PORT, "udp", "IKE and ESP behind NAT", sources)

    def passed_on(self, host: Host, environment: Environment) -> Iterator[Forward]:
        """Yield both directions of what the tunnels carry."""
        for peer in self.peers:
            for local, remote in peer.pairs:
                yield Forward(source=local, destination=remote, why=f"tunnel to {peer.name}")
                yield Forward(source=remote, destination=local, why=f"tunnel from {peer.name}")

    def trusted(self, host: Host, environment: Environment) -> Iterator[Network]:
        """Yield the peers, whom no jail may ban."""
        yield from (host_network(peer.address) for peer in self.peers if peer.address is not None)

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield forwarding between the two sides."""
        yield "net.ipv4.ip_forward", "1"

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield the daemon: a restart would take every tunnel down."""
        yield "strongswan.service"

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield tunnels that could not come up, would die later, or would carry nothing."""
        yield from lint_tunnels(self, host, environment)
