"""What a tunnel's records mean in the daemon's own words, and what it has of each peer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from inventories.model import EspProposal, Host, IkeProposal, Peer, Strongswan
from inventories.model.strongswan import NAT_T_PORT
from verify.snapshot import Snapshot

ENCRYPTION: dict[str, tuple[str, str]] = {
    "aes128": ("AES_CBC", "128"), "aes256": ("AES_CBC", "256"),
    "aes128gcm16": ("AES_GCM_16", "128"), "aes256gcm16": ("AES_GCM_16", "256"),
    "chacha20poly1305": ("CHACHA20_POLY1305", ""),
}  # fmt: skip
"""Our names of ciphers: the name and key size by which vici tells of them (IANA's ikev2-parameters)."""
INTEGRITY = {"sha256": "SHA2_256_128", "sha384": "SHA2_384_192", "sha512": "SHA2_512_256"}
FUNCTION = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}
GROUPS = {
    "modp2048": "MODP_2048", "modp3072": "MODP_3072", "modp4096": "MODP_4096",
    "ecp256": "ECP_256", "ecp384": "ECP_384", "curve25519": "CURVE_25519",
}  # fmt: skip
TABLE = ("inet", "trunkline_tunnels")
"""Our own rules: what belongs into a tunnel leaves by no other way."""
USERLAND = "ipsec0"
"""The interface of ESP by strongSwan itself (its plugin kernel-libipsec)."""


@dataclass(frozen=True)
class Child:
    """One pair of SAs that carries packets between networks."""

    held: dict[str, Any]

    @property
    def selectors(self) -> str:
        """What it carries, as `local to remote`."""
        local, remote = (", ".join(sorted(self.held.get(f"{end}-ts", ()))) for end in ("local", "remote"))
        return f"{local} to {remote}"

    @property
    def spis(self) -> tuple[str, str]:
        """The numbers of its two SAs, the one that comes in first."""
        return str(self.held.get("spi-in")), str(self.held.get("spi-out"))

    @property
    def carries(self) -> bool:
        """It stands, or is just being replaced by one that is not there yet."""
        return self.held.get("state") in ("INSTALLED", "REKEYING")


@dataclass(frozen=True)
class Association:
    """One IKE SA with a peer."""

    held: dict[str, Any]

    @property
    def stands(self) -> bool:
        """The peer has proven who it is."""
        return self.held.get("state") in ("ESTABLISHED", "REKEYING")

    @property
    def spis(self) -> tuple[str, str]:
        """The numbers of the SA, the initiator's first."""
        return str(self.held.get("initiator-spi")), str(self.held.get("responder-spi"))

    @property
    def children(self) -> tuple[Child, ...]:
        """What stands in it."""
        return tuple(child for child in map(Child, self.held.get("child-sas", ())) if child.carries)


def peers(host: Host) -> tuple[Peer, ...]:
    """Return the declared peers."""
    return host.strongswan.peers if host.strongswan else ()


def strongswan(host: Host) -> Strongswan:
    """Return the declared service of a host that has it."""
    assert host.strongswan is not None
    return host.strongswan


def associations(tunnels: Any, peer: Peer) -> tuple[Association, ...]:
    """Return the IKE SAs that stand with a peer; `tunnels` is the snapshot's section."""
    found = (Association(each) for each in tunnels["associations"] if each["name"] == peer.name)
    return tuple(each for each in found if each.stands)


def children(tunnels: Any, peer: Peer) -> tuple[Child, ...]:
    """Return all that stands with a peer to carry packets."""
    return tuple(child for each in associations(tunnels, peer) for child in each.children)


def pairs(peer: Peer) -> tuple[str, ...]:
    """Return the declared pairs of networks, as `local to remote`."""
    return tuple(f"{local} to {remote}" for local, remote in peer.pairs)


def identity(text: str) -> str:
    """Return an identity as the daemon tells it: the sign before a name is not part of it."""
    return text.removeprefix("@")


def algorithms(proposal: IkeProposal | EspProposal) -> dict[str, str]:
    """Return what vici tells of an SA that was negotiated by this proposal, its group aside."""
    cipher, size = ENCRYPTION[proposal.encryption]
    told = {"encr-alg": cipher, **({"encr-keysize": size} if size else {})}
    if not proposal.combined:
        told["integ-alg"] = f"HMAC_{INTEGRITY[proposal.integrity]}"
    if isinstance(proposal, IkeProposal):
        told["prf-alg"] = f"PRF_HMAC_{FUNCTION[proposal.integrity]}"
    return told


def wanted_association(host: Host, peer: Peer) -> dict[str, str]:
    """Return what vici must tell of the IKE SA with a peer."""
    told = {
        "version": "2", "local-host": str(host.address.ip), "local-port": str(NAT_T_PORT),
        "local-id": identity(peer.own_id(host)), "remote-id": identity(peer.id),
        **algorithms(peer.ike), "dh-group": GROUPS[peer.ike.group],
    }  # fmt: skip
    return told | ({"remote-host": str(peer.address)} if peer.address else {})


def wanted_child(peer: Peer, child: Child) -> dict[str, str]:
    """Return what vici must tell of a child SA; the first one of an IKE SA has no group of its own."""
    told = {"mode": "TUNNEL", "protocol": "ESP", "encap": "yes", **algorithms(peer.esp)}
    group = {"dh-group": GROUPS[peer.esp.group]} if peer.esp.group and "dh-group" in child.held else {}
    return told | group


def own_address(host: Host, peer: Peer) -> IPv4Address:
    """Return the address by which the host itself takes part in a tunnel."""
    address = strongswan(host).address
    both = [*([address.ip] if address else []), host.address.ip]
    return next((each for each in both if any(each in network for network in peer.local)), both[0])


def remotes(host: Host) -> tuple[IPv4Network, ...]:
    """Return every network behind a tunnel."""
    return tuple(dict.fromkeys(network for peer in peers(host) for network in peer.remote))


def somebody(network: IPv4Network) -> str:
    """Return an address of a network, to ask for its route."""
    return str(network[1] if network.num_addresses > 1 else network[0])


def asked(host: Host) -> list[dict[str, Any]]:
    """Return what the collector asks of a host's tunnels."""
    return [
        {
            "peer": peer.name,
            "source": str(own_address(host, peer)),
            "to": [somebody(network) for network in peer.remote],
            "answers": str(peer.answers) if peer.answers else None,
            "mtu": strongswan(host).mtu,
        }
        for peer in peers(host)
    ]


def userland(live: Snapshot) -> bool:
    """Say whether strongSwan itself does ESP here."""
    return USERLAND in live["paths"]["links"]


def unreachable(live: Snapshot) -> set[IPv4Network]:
    """Return the networks that the host knows no way to when no tunnel is up."""
    routes = (route for route in live["paths"]["routes"] if route.get("type") == "unreachable")
    return {IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"}


def drops(ruleset: Iterable[dict[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the hook and the expressions of each rule of ours that drops."""
    items = [item for item in ruleset if "metainfo" not in item]
    hooks = {i["chain"]["name"]: i["chain"].get("hook", "") for i in items if _ours(i.get("chain"))}
    for rule in (item["rule"] for item in items if _ours(item.get("rule"))):
        if any("drop" in part for part in rule["expr"]):
            yield hooks.get(rule["chain"], ""), rule["expr"]


def members(ruleset: Iterable[dict[str, Any]], name: str) -> set[IPv4Network]:
    """Return the networks in a set of ours."""
    sets = (item["set"] for item in ruleset if _ours(item.get("set")) and item["set"]["name"] == name)
    return {network for each in sets for part in each.get("elem", ()) for network in _networks(part)}


def _networks(element: Any) -> Iterator[IPv4Network]:
    if isinstance(element, str):
        yield IPv4Network(element)
    elif "prefix" in element:
        yield IPv4Network(f"{element['prefix']['addr']}/{element['prefix']['len']}")
    elif "range" in element:
        first, last = map(IPv4Address, element["range"])
        yield from summarize_address_range(first, last)
    elif "elem" in element:
        yield from _networks(element["elem"]["val"])


def _ours(item: dict[str, Any] | None) -> bool:
    return item is not None and (item["family"], item["table"]) == TABLE
