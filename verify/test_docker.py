"""Docker: what its engine says it does, and what the kernel passes on to containers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import takewhile
from typing import Any

from inventories.model import Environment, Host, Opening
from verify.checks import check
from verify.containers import Binding, containers
from verify.packet import Address, Packet
from verify.regions import ports, sources
from verify.rules import Chain, Table, fates
from verify.snapshot import Snapshot
from verify.test_firewall import filters
from verify.verdict import exactly, fail, same, warn

ALIVE = ("docker.engine_answers",)
DEPLOY = "`invoke deploy`; it does not restart containers for that."
HOOK = "DOCKER-USER"
"""The chain that Docker asks first and never writes to."""
INSIDE = {4: "172.17.0.99", 6: "fd00::99"}
"""An address behind one of Docker's bridges; the rules are asked about ports, not about it."""


def runs_docker(host: Host) -> bool:
    """Say whether a container engine is declared."""
    return host.docker is not None


def published(host: Host, environment: Environment) -> tuple[Opening, ...]:
    """Return the openings of the stacks' published ports."""
    return tuple(host.compose.openings(host, environment)) if host.compose else ()


@check(
    fault="docker-stopped",
    remedy="systemctl start docker; journalctl -u docker says why it ended.",
    applies=runs_docker,
)
def test_engine_answers(live: Snapshot) -> None:
    if error := live.error("docker"):
        fail(error, "an answer on the engine's socket")


@check(fault="live-restore-off", needs=ALIVE, remedy=DEPLOY, applies=runs_docker)
def test_containers_outlive_a_restart_of_the_engine(live: Snapshot) -> None:
    same({"live-restore": live["docker"]["live_restore"]}, {"live-restore": True})


@check(
    fault="userland-proxy-on",
    needs=ALIVE,
    remedy='Look at "userland-proxy" in /etc/docker/daemon.json, then `invoke deploy`.',
    applies=runs_docker,
)
def test_no_userland_proxy_copies_packets(live: Snapshot) -> None:
    exactly(live["docker"]["proxies"], [], of="docker-proxy process")


@check(
    fault="log-limits-by-hand",
    needs=ALIVE,
    remedy="`invoke deploy`; a container takes new limits only when it is made anew.",
    applies=runs_docker,
)
def test_logs_are_limited(declared: Host, live: Snapshot) -> None:
    assert declared.docker
    wanted = {"max-size": f"{declared.docker.log_max_mb}m", "max-file": str(declared.docker.log_files)}
    wrong = {
        each.name: limits
        for each in containers(live)
        if (limits := {key: each.held["log"].get(key) for key in wanted}) != wanted
    }
    if wrong:
        fail(wrong, wanted)


@check(
    fault="container-without-health-check",
    needs=ALIVE,
    remedy="Give it a health check: what has none cannot be replaced safely, or remove it.",
    applies=runs_docker,
)
def test_every_container_has_a_health_check(live: Snapshot) -> None:
    exactly(
        [c.name for c in containers(live) if not c.held["checked"]], [], of="container without a health check"
    )


@check(
    fault="container-by-hand",
    needs=ALIVE,
    remedy="Declare it in a stack, or remove it: docker rm -f NAME.",
    applies=runs_docker,
)
def test_containers_are_known(declared: Host, live: Snapshot) -> None:
    ours = {stack.name for stack in declared.compose.stacks} if declared.compose else set()
    if foreign := sorted(c.name for c in containers(live) if c.project not in ours):
        warn(foreign, "nothing that nobody declared")


@check(
    fault="port-published-by-hand",
    needs=ALIVE,
    remedy="Remove the container, publish on 127.0.0.1, or declare the port in its stack.",
    applies=runs_docker,
)
def test_published_ports_are_exactly_the_declared(
    declared: Host, live: Snapshot, environment: Environment
) -> None:
    known = published(declared, environment)
    running = [b for each in containers(live) if each.running for b in each.bindings]
    foreign = [_written(b) for b in running if b.public and not any(_is(b, o) for o in known)]
    seen = {(b.protocol, b.port) for b in running if b.public}
    missing = [str(o) for o in known if (o.protocol, o.ports.first) not in seen]
    exactly(
        [*foreign, *(str(o) for o in known if str(o) not in missing)],
        [str(o) for o in known],
        of="published port",
    )


def _is(binding: Binding, opening: Opening) -> bool:
    return opening.protocol == binding.protocol and binding.port in opening.ports


def _written(binding: Binding) -> str:
    return f"{binding.container} on {binding.address} {binding.protocol} {binding.port}"


@check(
    fault="firewall-hook-lost",
    needs=ALIVE,
    remedy="systemctl restart docker brings the jump back, ufw reload the rules behind it.",
    applies=runs_docker,
)
def test_firewall_is_asked_before_a_packet_reaches_a_container(
    live: Snapshot, environment: Environment
) -> None:
    for version, table in bridged(live).items():
        rules = table["FORWARD"].rules if "FORWARD" in table else ()
        before = tuple(takewhile(lambda rule: rule.target != HOOK or rule.conditions, rules))
        if len(before) == len(rules):
            fail(f"v{version}: no rule of FORWARD leads to {HOOK} whatever the packet", f"-j {HOOK}")
        sooner = {**table, "FORWARD": Chain(HOOK, before)}
        ends = _ends(live, version)
        for packet in (p for link in live["links"] for p in _to(ends, version, sooner, environment, link)):
            for fate in fates(sooner, "FORWARD", packet):
                if fate.verdict == "ACCEPT":
                    fail(f"v{version}: {packet} passes by «{fate.by}»", f"{HOOK} is asked before")


def _ends(live: Snapshot, version: int) -> list[tuple[Address, str]]:
    """Return what a packet may be for: each container, and somebody behind each bridge."""
    found: list[tuple[Address, str]] = []
    addresses = [ip_address(text) for each in containers(live) for text in each.held["addresses"]]
    for network in live["docker"]["networks"]:
        for subnet in (ip_network(text) for text in network["subnets"]):
            if subnet.version == version:
                inside = [address for address in addresses if address in subnet]
                found += [(address, network["bridge"]) for address in (*inside, subnet[99])]
    return found


def _to(
    ends: list[tuple[Address, str]], version: int, table: Table, environment: Environment, link: str
) -> Iterator[Packet]:
    for source in sources(version, [table], environment.controllers):
        for port in (*ports([table], []), 80, 443):
            for address, bridge in ends:
                yield Packet(source, address, "tcp", port, inward=link, outward=bridge, local=False)


def bridged(live: Snapshot) -> dict[int, Table]:
    """Return the filter tables of the address families in which Docker has a network."""
    subnets = [ip_network(s) for each in live["docker"]["networks"] for s in each["subnets"]]
    versions = {4, *(subnet.version for subnet in subnets)}
    return {version: table for version, table in filters(live).items() if version in versions}


@check(
    fault=("firewall-rules-lost", "container-opened-by-hand"),
    needs=("docker.firewall_is_asked_before_a_packet_reaches_a_container",),
    remedy=f"ufw reload brings our rules in {HOOK} back; delete a rule that was added by hand.",
    applies=runs_docker,
)
def test_kernel_passes_on_exactly_what_is_published(
    declared: Host, live: Snapshot, environment: Environment, evidence: dict[str, Any]
) -> None:
    openings = declared.openings(environment)
    wrong: list[str] = []
    asked = 0
    for version, table in bridged(live).items():
        for link in live["links"]:
            for packet in _from_outside(version, table, openings, environment, link):
                asked += 1
                wrong += _wrong(table, packet, openings)
    evidence["packets"] = asked
    if wrong:
        fail(wrong[:6], [str(o) for o in openings] or "nothing from outside reaches a container")


def _from_outside(
    version: int, table: Table, openings: tuple[Opening, ...], environment: Environment, link: str
) -> Iterator[Packet]:
    named = [network for opening in openings for network in opening.sources]
    to = ip_address(INSIDE[version])
    for source in sources(version, [table], [*named, *environment.controllers]):
        for port in ports([table], openings):
            for protocol in ("tcp", "udp"):
                yield Packet(
                    source, to, protocol, port, inward=link, outward="br-0", local=False, original=port
                )


def _wrong(table: Table, packet: Packet, openings: tuple[Opening, ...]) -> Iterator[str]:
    wanted = any(
        o.protocol == packet.protocol and packet.original in o.ports and _admits(o, packet.source)
        for o in openings
    )
    for fate in fates(table, HOOK, packet):
        if (fate.verdict == "ACCEPT") is not wanted:
            passes = "reaches a container" if fate.verdict == "ACCEPT" else f"meets {fate.verdict}"
            yield f"{packet} {passes} by «{fate.by}»"


def _admits(opening: Opening, source: Address) -> bool:
    return not opening.sources or any(source in n for n in opening.sources if n.version == source.version)
