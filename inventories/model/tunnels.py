"""What tunnels of one host may not contradict: their selectors, identities, proposals and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import combinations
from typing import TYPE_CHECKING

from inventories.model.addresses import Network4
from inventories.model.ipsec import GROUP_NUMBERS
from inventories.model.problem import Problem
from inventories.model.values import Network

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host
    from inventories.model.strongswan import Peer, Strongswan


def in_tunnel(host: Host, address: IPv4Address) -> bool:
    """Say whether what this host sends to an address goes through one of its tunnels."""
    peers = host.strongswan.peers if host.strongswan else ()
    return any(address in network for peer in peers for network in peer.remote)


def lint_tunnels(strongswan: Strongswan, host: Host, environment: Environment) -> Iterator[Problem]:
    """Yield every contradiction within a peer, between two peers, and with the host's own addresses."""
    yield from _inner_address(strongswan, host, environment)
    for peer in strongswan.peers:
        yield from _pfs(strongswan, host, peer)
        yield from _ids(strongswan, host, peer)
        yield from _own_address(strongswan, host, peer)
        yield from _selectors(strongswan, host, peer)
        yield from _nobody_to_ask(strongswan, host, peer)
        yield from _swallowed(strongswan, host, peer, environment)
    for one, two in combinations(strongswan.peers, 2):
        yield from _between(strongswan, host, one, two)


def lint_reach(environment: Environment) -> Iterator[Problem]:
    """Yield openings for networks behind a tunnel, on hosts that no packet of those networks reaches."""
    ends = [host for host in environment.hosts if host.strongswan]
    asked = [(host, service) for host in environment.hosts for service in host.services.values()]
    for host, service in asked:
        added = service is host.firewall
        for opening in host.firewall.extra if added else service.openings(host, environment):
            for source in opening.sources:
                if behind := _behind(source, host, ends):
                    yield service.problem(
                        host,
                        "extra" if added else "sources",
                        f"{opening} admits {source}, which is behind {behind} and never reaches this host",
                        "a source that can reach it",
                        f"open it on {behind.partition(' ')[0]}, or bring this host into the tunnel",
                    )


def _behind(source: Network, host: Host, ends: list[Host]) -> str:
    """Name the host and peer behind whom a network is, where this host is on neither side of that tunnel."""
    found = [
        (f"{end.name} (peer {peer.name})", end is host or any(host.address.ip in each for each in peer.local))
        for end in ends
        for peer in (end.strongswan.peers if end.strongswan else ())
        for network in peer.remote
        if source.version == 4 and source.subnet_of(network)
    ]
    return "" if any(reached for _, reached in found) else next((where for where, _ in found), "")


def _place(peer: Peer, field: str) -> str:
    return f"peers[{peer.name}].{field}"


def _group(name: str | None) -> str:
    return f"{name} (group {GROUP_NUMBERS[name]})" if name else "no group"


def _inner_address(strongswan: Strongswan, host: Host, environment: Environment) -> Iterator[Problem]:
    """Yield what is wrong with the host's own address inside its tunnels."""
    inner, where = strongswan.address, strongswan.interface
    if inner is None:
        return
    network = inner.network
    if where == "lo" and network.prefixlen < 32:
        yield strongswan.problem(
            host,
            "address",
            f"{inner} on lo, where nobody of {network} can be but this host",
            "an address alone where nothing is behind",
            f"write {inner.ip}/32, or name the interface to the hosts behind",
        )
    elif where != "lo" and inner.ip in (network.network_address, network.broadcast_address):
        yield strongswan.problem(
            host,
            "address",
            f"{inner} on {where}",
            f"a host's address, with the prefix of the network on {where}",
            "write both as the hosts behind know them",
        )
    for other in environment.hosts:
        its = other.strongswan.address if other.strongswan else None
        if other is host:
            break
        if its is not None and its.ip == inner.ip:
            yield strongswan.problem(
                host,
                "address",
                f"{inner.ip} is also the address of {other.name}",
                "an address of its own",
                "correct one of the two",
            )


def _pfs(strongswan: Strongswan, host: Host, peer: Peer) -> Iterator[Problem]:
    if peer.esp.group != peer.pfs:
        yield strongswan.problem(
            host,
            _place(peer, "esp.group"),
            f"{_group(peer.esp.group)}, but the gateway's PFS says {_group(peer.pfs)}: the tunnel would come"
            " up and die at its first rekeying",
            _group(peer.pfs),
            "make esp.group and pfs the same, here and in the gateway's console",
        )


def _ids(strongswan: Strongswan, host: Host, peer: Peer) -> Iterator[Problem]:
    """Yield identities and secrets that prove nothing: two of them are the same."""
    if peer.id == peer.own_id(host):
        yield strongswan.problem(
            host,
            _place(peer, "id"),
            f"both ends call themselves {peer.id}",
            "an identity for each end",
            "write what the gateway calls itself: behind a NAT mostly its private address",
        )
    files = peer.certificates
    if files and len({files.ca.name, files.certificate.name, files.key.name}) < 3:
        yield strongswan.problem(
            host,
            _place(peer, "certificates"),
            "two of ca, certificate and key are the same secret",
            "a secret for each of them",
            "correct the names",
        )


def _own_address(strongswan: Strongswan, host: Host, peer: Peer) -> Iterator[Problem]:
    own = [host.address.ip, *([strongswan.address.ip] if strongswan.address else [])]
    if not any(address in network for address in own for network in peer.local):
        yield strongswan.problem(
            host,
            _place(peer, "local"),
            f"{' and '.join(map(str, own))} in none of {', '.join(map(str, peer.local))}",
            "an address of this host inside the tunnel",
            "add address= with one of the local network's addresses: else the host itself cannot answer",
        )
    if peer.address == host.address.ip:
        yield strongswan.problem(
            host,
            _place(peer, "address"),
            f"{peer.address} is this host itself",
            "where the gateway is reached",
            "write the office's public address",
        )


def _selectors(strongswan: Strongswan, host: Host, peer: Peer) -> Iterator[Problem]:
    for field, networks in (("local", peer.local), ("remote", peer.remote)):
        for one, two in combinations(networks, 2):
            if one.overlaps(two):
                yield strongswan.problem(
                    host,
                    _place(peer, field),
                    f"{two} overlaps {one}: the same packets would have two SAs",
                    "networks that share no address",
                    "take the smaller one out",
                )
    for local, remote in peer.pairs:
        if local.overlaps(remote):
            yield strongswan.problem(
                host,
                _place(peer, "remote"),
                f"{remote} overlaps {local} on this side",
                "two networks that share no address",
                "renumber one side, or narrow one of the two",
            )
    if peer.answers is not None and not any(peer.answers in network for network in peer.remote):
        yield strongswan.problem(
            host,
            _place(peer, "answers"),
            f"{peer.answers} in none of {', '.join(map(str, peer.remote))}",
            "somebody behind the gateway",
            "correct the address, or add its network to remote",
        )


def _nobody_to_ask(strongswan: Strongswan, host: Host, peer: Peer) -> Iterator[Problem]:
    if peer.sip and peer.answers is None:
        yield strongswan.problem(
            host,
            _place(peer, "sip"),
            "SIP is to be answered, and nobody is named who answers",
            "the address of the PBX behind the gateway",
            "add answers= with it, or take sip out",
        )


def _swallowed(strongswan: Strongswan, host: Host, peer: Peer, environment: Environment) -> Iterator[Problem]:
    """Yield what would be drawn into the tunnel and must not be: gateways, controllers, hosts."""
    for network in peer.remote:
        if peer.address is not None and peer.address in network:
            yield strongswan.problem(
                host,
                _place(peer, "remote"),
                f"{network} holds the gateway's own address {peer.address}",
                "networks behind the gateway",
                "take it out: the tunnel's own packets would be sent through the tunnel",
            )
        others = (each for each in strongswan.peers if each is not peer and each.address in network)
        gateways = (f"the gateway {each.address} of {each.name}" for each in others)
        for what in (*gateways, *_drawn(network, environment)):
            yield strongswan.problem(
                host,
                _place(peer, "remote"),
                f"{network} holds {what}",
                "networks behind the gateway only",
                "narrow it: the answers to what is there would go through the tunnel",
            )


def _drawn(network: Network4, environment: Environment) -> Iterator[str]:
    for each in environment.controllers:
        if each.version == 4 and each.overlaps(network):
            yield f"the controller {each}"
    for host in environment.hosts:
        if host.address.ip in network:
            yield f"{host.address.ip} of {host.name}"


def _between(strongswan: Strongswan, host: Host, one: Peer, two: Peer) -> Iterator[Problem]:
    if one.name == two.name:
        yield strongswan.problem(
            host,
            _place(two, "name"),
            f"two peers are named {two.name}",
            "a name of its own",
            "rename one of the two",
        )
    yield from _alike(strongswan, host, one, two)
    for mine in one.remote:
        for its in two.remote:
            if mine.overlaps(its):
                yield strongswan.problem(
                    host,
                    _place(two, "remote"),
                    f"{its} overlaps {mine} of {one.name}",
                    "networks that only one peer has",
                    "renumber one office, or narrow one of the two",
                )


def _alike(strongswan: Strongswan, host: Host, one: Peer, two: Peer) -> Iterator[Problem]:
    """Yield two peers that could pass for each other: by their identities, or by their pre-shared key."""
    if (one.id, one.own_id(host)) == (two.id, two.own_id(host)):
        yield strongswan.problem(
            host,
            _place(two, "id"),
            f"{two.id} is also what {one.name} calls itself",
            "an identity of its own for each gateway",
            "set another Local Authentication ID in the console of one of them, and write it here",
        )
    if one.psk is not None and one.psk == two.psk:
        yield strongswan.problem(
            host,
            _place(two, "psk"),
            f"{one.name} has the same pre-shared key: each gateway could pass for the other",
            "a pre-shared key of its own for each gateway",
            'write another Secret(name="..."), and set it with `invoke secrets.generate NAME`',
        )
