"""Tunnels as the templates want them: what swanctl.conf(5) and nft(8) call what the model says."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from deploys._ops.render import render
from inventories.model import Host, Peer, Strongswan

PROGRAM = "/usr/local/lib/trunkline/strongswan"
WAYS = "/usr/local/lib/trunkline/tunnels"
TCP_AND_IP = 40
"""Bytes of both headers: what an MSS is smaller than an MTU (RFC 9293, section 3.7.1)."""
USERLAND_MTU = 1400
"""Bytes that charon's own interface takes (libcharon/plugins/kernel_libipsec)."""
RENEWED = 0.9
"""The share of a lifetime after which a key is renewed."""
RETRANSMIT_SECONDS, RETRANSMIT_TRIES = 1.5, 7


@dataclass(frozen=True)
class Child:
    """One pair of networks that a tunnel carries."""

    name: str
    local: IPv4Network
    remote: IPv4Network

    @property
    def reqid(self) -> int:
        """The number by which policies find their SAs: of this child alone, whatever others there are.

        strongSwan 5.9.8 gives two children one number where it restarts them after a peer's crash: what
        belongs to the one goes out by the other's SA, and the peer drops it.
        """
        return zlib.crc32(self.name.encode()) >> 1 | 1


@dataclass(frozen=True)
class Connection:
    """One peer, as its template wants it."""

    peer: Peer
    own_address: str
    local_id: str
    secret: str = ""
    """The pre-shared key as swanctl.conf(5) takes any: base64 behind 0s; for the file of secrets alone."""

    @property
    def name(self) -> str:
        """The name of the connection and of the peer's files."""
        return self.peer.name

    @property
    def fixed(self) -> bool:
        """The peer has an address of its own: this host calls."""
        return self.peer.address is not None

    @property
    def address(self) -> str:
        """Where the peer is."""
        return str(self.peer.address) if self.peer.address else "%any"

    @property
    def auth(self) -> str:
        """How both ends prove who they are."""
        return "psk" if self.peer.psk else "pubkey"

    @property
    def ike(self) -> str:
        """The proposal for IKE, as swanctl.conf(5) writes it."""
        ike = self.peer.ike
        integrity = f"prf{ike.integrity}" if ike.combined else ike.integrity
        return f"{ike.encryption}-{integrity}-{ike.group}"

    @property
    def esp(self) -> str:
        """The proposal for ESP; its group is what makes forward secrecy perfect."""
        esp = self.peer.esp
        parts = [esp.encryption, "" if esp.combined else esp.integrity, esp.group]
        return "-".join(filter(None, parts))

    @property
    def ike_rekey(self) -> int:
        """Seconds after which IKE's keys are renewed at the latest."""
        return int(self.peer.ike_lifetime * RENEWED)

    @property
    def ike_random(self) -> int:
        """Seconds before that within which they may be: two ends shall not do it at once."""
        return self.peer.ike_lifetime // 20

    @property
    def esp_rekey(self) -> int:
        """Seconds after which ESP's keys are renewed at the latest."""
        return int(self.peer.esp_lifetime * RENEWED)

    @property
    def esp_random(self) -> int:
        """Seconds before that within which they may be."""
        return self.peer.esp_lifetime // 20

    @property
    def children(self) -> tuple[Child, ...]:
        """One child SA a pair of networks."""
        pairs = enumerate(self.peer.pairs, 1)
        return tuple(Child(f"{self.name}-{number}", *pair) for number, pair in pairs)

    @property
    def loaded(self) -> dict[str, Any]:
        """What charon says of the connection when it holds it, and what tells it from another."""
        said = {
            "version": "IKEv2",
            "local_addrs": [self.own_address],
            "remote_addrs": [self.address],
            "rekey_time": str(self.ike_rekey),
            "unique": "UNIQUE_REPLACE",
            "local-1/id": self.local_id,
            "remote-1/id": self.peer.id,
        }
        networks = {each.name: [[str(each.local)], [str(each.remote)]] for each in self.children}
        digest = hashlib.sha256(render("strongswan", "peer.conf", self).encode()).hexdigest()
        return {"loaded": said, "children": networks, "calls": self.fixed, "digest": digest}


@dataclass(frozen=True)
class Gateway:
    """All tunnels of a host, as the templates want them."""

    declared: Strongswan
    userland: bool
    peers: tuple[Connection, ...]
    program: str = PROGRAM
    ways: str = WAYS
    retransmit_seconds: float = RETRANSMIT_SECONDS
    retransmit_tries: int = RETRANSMIT_TRIES

    @property
    def mtu(self) -> int:
        """Bytes of the largest packet that goes through."""
        return min(self.declared.mtu, USERLAND_MTU) if self.userland else self.declared.mtu

    @property
    def pairs(self) -> tuple[tuple[IPv4Network, IPv4Network], ...]:
        """Each pair of networks that is carried."""
        return tuple(pair for each in self.peers for pair in each.peer.pairs)

    @property
    def remotes(self) -> tuple[IPv4Network, ...]:
        """The networks behind all peers."""
        return tuple(dict.fromkeys(remote for _, remote in self.pairs))

    @property
    def addresses(self) -> list[list[str]]:
        """This host's addresses inside the tunnels, each with its interface.

        charon's own ESP carries a network only where the host has an address in it: where it has none, the
        network's own, which nobody else may have.
        """
        declared = self.declared
        found = []
        if declared.address:
            single = declared.interface == "lo"
            found.append(
                [f"{declared.address.ip}/32" if single else str(declared.address), declared.interface]
            )
        own = [IPv4Address(each.own_address) for each in self.peers[:1]]
        own += [declared.address.ip] if declared.address else []
        for local in dict.fromkeys(local for local, _ in self.pairs) if self.userland else ():
            if not any(address in local for address in own):
                found.append([f"{local.network_address}/32", "lo"])
        return found

    @property
    def not_in(self) -> str:
        """How a packet is told that came by no tunnel."""
        return 'iifname != "ipsec0"' if self.userland else "meta ipsec missing"

    @property
    def not_out(self) -> str:
        """How a packet is told that leaves by no tunnel."""
        return 'oifname != "ipsec0"' if self.userland else "rt ipsec missing"

    @property
    def clamp(self) -> str:
        """Have both ends of a TCP connection send no segment that is too large for the tunnel."""
        size = self.mtu - TCP_AND_IP
        option = "tcp option maxseg size"
        return f"tcp flags & (syn | rst) == syn {option} > {size} {option} set {size}"


def gateway_of(host: Host, userland: bool | None = None) -> Gateway | None:
    """Return the tunnels of this host; None where it has none."""
    if host.strongswan is None:
        return None
    own = str(host.address.ip)
    peers = (Connection(peer, own, peer.own_id(host)) for peer in host.strongswan.peers)
    chosen = host.strongswan.userland if userland is None else userland
    return Gateway(host.strongswan, chosen, tuple(peers))
