"""What a telephone exchange may not contradict: ports, transports, trunks, and who may use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Network
from itertools import combinations
from typing import TYPE_CHECKING

from inventories.model.addresses import PRIVATE
from inventories.model.problem import Problem
from inventories.model.trunk import Trunk
from inventories.model.tunnels import in_tunnel

if TYPE_CHECKING:
    from inventories.model.asterisk import Asterisk
    from inventories.model.environment import Environment
    from inventories.model.host import Host

PORTS_OF_CALL = 4
"""Two legs, each with a port for RTP and the next for RTCP (RFC 3550, section 11)."""


def lint_telephony(asterisk: Asterisk, host: Host, environment: Environment) -> Iterator[Problem]:
    """Yield every contradiction between ports, transports, trunks, interfaces and the host."""
    if host.release.asterisk is None:
        yield asterisk.problem(
            host,
            "os",
            f"{host.os}, which has no package of Asterisk",
            "a release with one: Ubuntu 22.04 (18) or 24.04 (20), in a twin Debian testing (22)",
            "move the host to ubuntu24.04, or take asterisk out",
        )
    yield from _ports(asterisk, host)
    yield from _transports(asterisk, host)
    for trunk in asterisk.trunks:
        yield from _trunk(asterisk, host, trunk, environment)
        yield from _own(asterisk, host, trunk)
    for one, two in combinations(asterisk.trunks, 2):
        yield from _between(asterisk, host, one, two)
    yield from _interfaces(asterisk, host)


def _ports(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    wanted = PORTS_OF_CALL * asterisk.calls
    if len(asterisk.ports) < wanted:
        yield asterisk.problem(
            host,
            "rtp",
            f"{len(asterisk.ports)} ports for {asterisk.calls} calls",
            f"{wanted} or more: two legs a call, each with RTP and RTCP",
            "widen rtp, lower calls, or leave rtp out: it is computed then",
        )
    if asterisk.ports.first % 2:
        yield asterisk.problem(
            host,
            "rtp",
            f"{asterisk.ports} begins with an odd port",
            "an even first port, as RTP is even and RTCP the next (RFC 3550)",
            "begin one port later",
        )


def _transports(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    tls = "tls" in asterisk.transports
    if tls != (asterisk.tls_name is not None):
        yield asterisk.problem(
            host,
            "tls_name",
            "a TLS transport without a certificate" if tls else "a certificate without a TLS transport",
            "both or neither",
            'add tls_name="..."' if tls else 'add "tls" to transports, or take tls_name out',
        )
    if asterisk.tls_name is not None and host.certbot is None:
        yield asterisk.problem(
            host,
            "tls_name",
            f"nobody asks for the certificate of {asterisk.tls_name}",
            "certbot on this host",
            "add certbot=Certbot(...) to the host",
        )


def _trunk(asterisk: Asterisk, host: Host, trunk: Trunk, environment: Environment) -> Iterator[Problem]:
    place = f"trunks[{trunk.name}]"
    if trunk.transport not in asterisk.transports:
        yield asterisk.problem(
            host,
            f"{place}.transport",
            f"{trunk.transport}, which is no transport of this host",
            f"one of {', '.join(asterisk.transports)}",
            f'add "{trunk.transport}" to transports, or change the trunk\'s',
        )
    if trunk.limits.calls > asterisk.calls:
        yield asterisk.problem(
            host,
            f"{place}.limits.calls",
            f"{trunk.limits.calls} calls on a host that carries {asterisk.calls}",
            f"{asterisk.calls} or fewer",
            "lower it, or raise calls of the host",
        )
    for field, network in _parties(trunk):
        if _is_private(network) and not _reached(host, network):
            yield asterisk.problem(
                host,
                f"{place}.{field}",
                f"{network} is private and behind no tunnel of this host",
                "an address in a remote selector, or a public one",
                "add its network to the peer's remote networks, here and at the gateway",
            )
    for network in trunk.addresses:
        for controller in environment.controllers:
            if controller.version == 4 and controller.overlaps(network):
                yield asterisk.problem(
                    host,
                    f"{place}.addresses",
                    f"{network} holds the controller {controller}",
                    "addresses of the carrier alone",
                    "take it out: by its address nobody could tell one from the other",
                )


def _parties(trunk: Trunk) -> Iterator[tuple[str, IPv4Network]]:
    """Yield where a trunk's calls come from and go to, as far as addresses say it, by field."""
    yield from (("addresses", network) for network in trunk.addresses)
    for field, server in trunk.servers:
        with suppress(ValueError):  # a name, of which DNS says where it leads
            yield field, IPv4Network(server)


def _own(asterisk: Asterisk, host: Host, trunk: Trunk) -> Iterator[Problem]:
    """Yield addresses of a carrier that are the host's own: it would be its own customer."""
    for network in trunk.addresses:
        if host.address.ip in network:
            yield asterisk.problem(
                host,
                f"trunks[{trunk.name}].addresses",
                f"{network} holds this host's own {host.address.ip}",
                "addresses of the carrier alone",
                "take it out: whoever calls from here would be the carrier",
            )


def _is_private(network: IPv4Network) -> bool:
    return any(network.subnet_of(each) for each in PRIVATE)


def _reached(host: Host, network: IPv4Network) -> bool:
    """Say whether a private network is behind a tunnel, or beside this host."""
    inner = host.strongswan.address if host.strongswan else None
    beside = inner is not None and inner.network.prefixlen < 32 and network.subnet_of(inner.network)
    both = (network.network_address, network.broadcast_address)
    return beside or all(in_tunnel(host, address) for address in both)


def _between(asterisk: Asterisk, host: Host, one: Trunk, two: Trunk) -> Iterator[Problem]:
    if one.name == two.name:
        yield asterisk.problem(
            host,
            f"trunks[{two.name}].name",
            f"two trunks are named {two.name}",
            "a name of its own",
            "rename one of the two",
        )
    for mine in one.addresses:
        for its in two.addresses:
            if mine.overlaps(its):
                yield asterisk.problem(
                    host,
                    f"trunks[{two.name}].addresses",
                    f"{its} overlaps {mine} of {one.name}",
                    "addresses that tell one trunk from another",
                    "take it out of one of the two",
                )


def _interfaces(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    ari, ami = asterisk.ari, asterisk.ami
    if ari is not None and not ari.bind.is_loopback and not ari.bind.is_private:
        yield _public(asterisk, host, "ari", str(ari.bind))
    if ari is not None and not ari.bind.is_loopback and not ari.sources:
        yield asterisk.problem(
            host,
            "ari.sources",
            f"{ari.bind} for everyone who reaches it",
            "the networks of the applications",
            "bind it to 127.0.0.1, or name who needs it",
        )
    for network in ari.sources if ari else ():
        if not _is_private(network):
            yield _distant(asterisk, host, "ari.sources", network)
    if ami is not None and not ami.bind.is_loopback and not ami.bind.is_private:
        yield _public(asterisk, host, "ami", str(ami.bind))
    for user in ami.users if ami else ():
        for network in user.permit:
            if not network.is_loopback and not _is_private(network):
                yield _distant(asterisk, host, f"ami.users[{user.name}].permit", network)


def _public(asterisk: Asterisk, host: Host, name: str, bind: str) -> Problem:
    return asterisk.problem(
        host,
        f"{name}.bind",
        f"{bind}, where the world knocks",
        "loopback or a private address: it is not encrypted, and who gets in owns every call",
        "bind it to 127.0.0.1, or to this host's address in the tunnel",
    )


def _distant(asterisk: Asterisk, host: Host, field: str, network: IPv4Network) -> Problem:
    return asterisk.problem(
        host,
        field,
        f"{network} is not private",
        "loopback or private networks: what is said there is not encrypted",
        "bring the program to this host, or into a tunnel",
    )
