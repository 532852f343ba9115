"""What hosts of one environment may not have in common, and what no host may have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Interface, IPv6Interface
from itertools import combinations
from typing import TYPE_CHECKING

from inventories.model.addresses import WIDEST, host_network, too_wide
from inventories.model.examples import lint_examples
from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

TAKEN = frozenset(("all", "controller", "gateway", "localhost", "stranger", "world"))
"""Names that mean something else: pyinfra's group, the twin's own nodes, the machine itself."""


def lint_environment(environment: Environment) -> Iterator[Problem]:
    """Yield what is wrong between the hosts of an environment, and with each one's place in it."""
    for host in environment.hosts:
        yield from _name(environment, host)
        yield from _release(host, environment)
        for field, interface in host.interfaces:
            yield from _address(host, field, interface)
    for one, two in combinations(environment.hosts, 2):
        yield from _between(one, two)
    yield from _controllers(environment)
    if not environment.in_twin:
        yield from lint_examples(environment)


def _name(environment: Environment, host: Host) -> Iterator[Problem]:
    if host.name in TAKEN:
        yield Problem(
            host.name,
            "",
            "name",
            f"{host.name} means something else here",
            "a name of its own",
            "rename the host",
        )
    if any(host.group == other.name for other in environment.hosts):
        yield Problem(
            host.name,
            "",
            "group",
            f"{host.group} is the name of a host",
            "a name for what the group's hosts do",
            "rename the group",
        )
    if len(environment.name_of(host)) > 253:
        yield Problem(
            host.name,
            "",
            "name",
            f"{environment.name_of(host)[:30]}... is longer than a name in DNS may be",
            "253 characters at most",
            "shorten the domain",
        )


def _release(host: Host, environment: Environment) -> Iterator[Problem]:
    last = host.release.end_of_lts
    if last is None and not environment.in_twin:
        yield Problem(
            host.name,
            "",
            "os",
            f"{host.os}, for which nobody promises security updates",
            "a released system; this one is for twins",
            "choose another release, such as ubuntu24.04",
        )
    if last is not None and date.today() > last:
        yield Problem(
            host.name,
            "",
            "os",
            f"{host.os} gets no security updates since {last}",
            "a supported release",
            "upgrade the server, then change os",
        )


def _address(host: Host, field: str, interface: IPv4Interface | IPv6Interface) -> Iterator[Problem]:
    ip, network = interface.ip, interface.network
    if ip.is_loopback or ip.is_multicast or ip.is_unspecified or ip.is_link_local:
        yield Problem(
            host.name,
            "",
            field,
            str(ip),
            "an address others can reach",
            "write the server's public one",
            True,
        )
    elif network.prefixlen < network.max_prefixlen - 1 and (
        ip == network.network_address or (ip == network.broadcast_address and ip.version == 4)
    ):
        what = "network" if ip == network.network_address else "broadcast"
        yield Problem(
            host.name,
            "",
            field,
            f"{ip} is the {what} address of {network}",
            "the address of a host",
            "write the server's own address",
        )


def _between(one: Host, two: Host) -> Iterator[Problem]:
    if one.name == two.name:
        yield Problem(
            two.name,
            "",
            "name",
            f"two hosts are named {two.name}",
            "a name of its own",
            "rename one of the two",
        )
    for (_, mine), (field, its) in ((a, b) for a in one.interfaces for b in two.interfaces):
        if mine.ip == its.ip:
            yield Problem(
                two.name,
                "",
                field,
                f"{its.ip} is also the address of {one.name}",
                "an address of its own",
                "correct one of the two",
            )
        elif (
            mine.version == its.version and mine.network != its.network and mine.network.overlaps(its.network)
        ):
            yield Problem(
                two.name,
                "",
                field,
                f"{its.network} overlaps {mine.network} of {one.name}",
                "the same network or another one",
                "correct the prefix length of one of the two",
            )


def _controllers(environment: Environment) -> Iterator[Problem]:
    hosts = {host_network(i.ip): host for host in environment.hosts for _, i in host.interfaces}
    for index, network in enumerate(environment.controllers):
        place = f"controllers[{index}]"
        if too_wide(network):
            yield Problem(
                "",
                "",
                place,
                f"{network} would admit strangers to SSH and never ban them",
                f"a prefix of /{WIDEST[network.version]} or longer",
                "name the addresses that deploys come from",
            )
        if environment.in_twin and network in hosts:
            yield Problem(
                "",
                "",
                place,
                f"{network} is also the address of {hosts[network].name}",
                "an address of its own",
                "give the twin's controller another one",
            )
