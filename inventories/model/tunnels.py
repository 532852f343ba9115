"""What tunnels of one host may not contradict: their selectors, identities, proposals and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from inventories.model.addresses import Network4
from inventories.model.ipsec import GROUP_NUMBERS
from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host
    from inventories.model.strongswan import Peer, Strongswan


def lint_tunnels(strongswan: Strongswan, host: Host, environment: Environment) -> Iterator[Problem]:
    """Yield every contradiction within a peer, between two peers, and with the host's own addresses."""
    for peer in strongswan.peers:
        yield from _pfs(strongswan, host, peer)
        yield from _own_address(strongswan, host, peer)
        yield from _selectors(strongswan, host, peer, environment)
    for one, two in combinations(strongswan.peers, 2):
        yield from _between(strongswan, host, one, two)


def _place(peer: Peer, field: str) -> str:
    return f"peers[{peer.name}].{field}"


def _group(name: str | None) -> str:
    return f"{name} (group {GROUP_NUMBERS[name]})" if name else "no group"


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


def _selectors(strongswan: Strongswan, host: Host, peer: Peer, environment: Environment) -> Iterator[Problem]:
    for local, remote in peer.pairs:
        if local.overlaps(remote):
            yield strongswan.problem(
                host,
                _place(peer, "remote"),
                f"{remote} overlaps {local} on this side",
                "two networks that share no address",
                "renumber one side, or narrow one of the two",
            )
    for network in peer.remote:
        if peer.address is not None and peer.address in network:
            yield strongswan.problem(
                host,
                _place(peer, "remote"),
                f"{network} holds the gateway's own address {peer.address}",
                "networks behind the gateway",
                "take it out: the tunnel's own packets would be sent through the tunnel",
            )
        yield from _swallowed(strongswan, host, peer, network, environment)
    if peer.answers is not None and not any(peer.answers in network for network in peer.remote):
        yield strongswan.problem(
            host,
            _place(peer, "answers"),
            f"{peer.answers} in none of {', '.join(map(str, peer.remote))}",
            "somebody behind the gateway",
            "correct the address, or add its network to remote",
        )


def _swallowed(
    strongswan: Strongswan, host: Host, peer: Peer, network: Network4, environment: Environment
) -> Iterator[Problem]:
    """Yield what would be drawn into the tunnel and must not be: the way to the controllers and to others."""
    drawn = [(str(each), each.overlaps(network)) for each in environment.controllers if each.version == 4]
    drawn += [
        (f"{its.ip} of {each.name}", its.ip in network)
        for each in environment.hosts
        for its in [each.address]
    ]
    for what, inside in drawn:
        if inside:
            yield strongswan.problem(
                host,
                _place(peer, "remote"),
                f"{network} holds {what}",
                "networks behind the gateway only",
                "narrow it: the answers to what is there would go through the tunnel",
            )


def _between(strongswan: Strongswan, host: Host, one: Peer, two: Peer) -> Iterator[Problem]:
    if one.name == two.name:
        yield strongswan.problem(
            host,
            _place(two, "name"),
            f"two peers are named {two.name}",
            "a name of its own",
            "rename one of the two",
        )
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
