"""The firewall, as the kernel has it and as a stranger meets it; UFW's own files are not asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any

from inventories.model import Environment, Forward, Host, Opening
from verify.attack import set_of
from verify.checks import check
from verify.containers import written_by_docker
from verify.packet import Packet
from verify.probes.arguments import ports as ports_in
from verify.probes.arguments import ranges
from verify.regions import ports, sources
from verify.rules import Table, canonical, fates, tables
from verify.seen_ports import Ports, open_to_anybody
from verify.snapshot import Snapshot
from verify.tunnels import TABLE as TUNNELS  # judged by the tunnels' own checks
from verify.udp_openings import UdpSeen, differences, evidence_of, udp_openings
from verify.verdict import exactly, fail, not_proven, same

UFW = "Say `invoke deploy`: it reconciles UFW. A rule that UFW does not know must be deleted by hand."
FROM_DHCP = {("udp", 68, 67), ("udp", 546, 547)}
"""(protocol, port, source port) of an address lease, which UFW always lets in."""
IPTABLES = {
    (family, table) for family in ("ip", "ip6") for table in ("filter", "nat", "mangle", "raw", "security")
}
BUILT_IN = {"INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"}
CLIENTS = {("udp", 68), ("udp", 546)}
RESOLVERS = range(32768, 61000)
"""From where Asterisk's own resolver asks while it runs: ephemeral ports (ip(7)); no rule admits them."""
ENGINE = ("dockerd", "docker-proxy")
"""Whose listeners stand for published ports, which are judged as such."""
BEHIND = ("raw PREROUTING", "mangle PREROUTING", "nat PREROUTING", "mangle INPUT")


def filters(live: Snapshot) -> dict[int, Table]:
    """Return the filter tables by address family; no rules at all means an empty table."""
    found = {}
    for family in ("4", "6"):
        try:
            found[int(family)] = tables(live["iptables"][family]).get("filter", {})
        except ValueError as error:
            fail(str(error), "rules that iptables-save can show", UFW)
    return found


def wrong_fates(
    table: Table, version: int, declared: Host, environment: Environment, link: str
) -> Iterator[str]:
    """Yield each kind of packet whose fate is not the declared one, with the rule that decides it."""
    own = declared.address if version == 4 else declared.address6
    address = own.ip if own else ip_address("2001:db8::1")
    openings = [o for o in declared.openings(environment) if o.admits(4 if version == 4 else 6)]
    named = [network for o in openings for network in o.sources]
    for source in sources(version, [table], [*named, *environment.controllers]):
        for port in ports([table], openings):
            for protocol, source_port in (("tcp", 40000), ("udp", 40000), ("udp", 67), ("udp", 547)):
                packet = Packet(source, address, protocol, port, source_port, inward=link)
                if (protocol, port, source_port) not in FROM_DHCP:
                    yield from _wrong(table, packet, _admitted(openings, packet))
    ping = Packet(sources(version, [], [])[0], address, "icmp" if version == 4 else "ipv6-icmp", inward=link)
    yield from _wrong(table, ping, declared.firewall.answer_ping)


def _admitted(openings: Iterable[Opening], packet: Packet) -> bool:
    return any(
        o.protocol == packet.protocol and packet.port in o.ports and (not o.sources or _within(packet, o))
        for o in openings
    )


def _within(packet: Packet, opening: Opening) -> bool:
    return any(packet.source in n for n in opening.sources if n.version == packet.source.version)


def _wrong(table: Table, packet: Packet, wanted: bool, chain: str = "INPUT") -> Iterator[str]:
    for fate in fates(table, chain, packet):
        if (fate.verdict == "ACCEPT") is not wanted:
            state = "is let in" if fate.verdict == "ACCEPT" else f"meets {fate.verdict}"
            yield f"{packet} {state} by «{fate.by}»"


@check(fault=("rule-before-ufw", "drop-before-ufw", "ufw-without-4500"), remedy=UFW)
def test_kernel_admits_exactly_the_declared(
    declared: Host, live: Snapshot, environment: Environment, evidence: dict[str, Any]
) -> None:
    wrong: list[str] = []
    for version, table in filters(live).items():
        for link in live["links"]:
            wrong += wrong_fates(table, version, declared, environment, link)
        evidence[f"rules v{version}"] = sum(len(chain.rules) for chain in table.values())
    if wrong:
        fail(
            wrong[:6],
            [f"{o.ports.first}-{o.ports.last}/{o.protocol}" for o in declared.openings(environment)],
        )


@check(fault="forward-by-hand", remedy=UFW)
def test_nothing_is_forwarded_undeclared(declared: Host, environment: Environment, live: Snapshot) -> None:
    wrong: list[str] = []
    for version, table in filters(live).items():
        forwards = [f for f in declared.forwards(environment) if f.source.version == version]
        ends = sources(version, [table], [n for f in forwards for n in (f.source, f.destination)])
        for source in ends:
            for destination in ends:
                packet = Packet(source, destination, "tcp", 443, outward="eth1", local=False)
                wrong += _wrong(table, packet, _passes(forwards, packet), "FORWARD")
    if wrong:
        fail(
            wrong[:6],
            [f"{f.source} to {f.destination}" for f in declared.forwards(environment)]
            or "nothing is passed on",
        )


def _passes(forwards: Iterable[Forward], packet: Packet) -> bool:
    return any(packet.source in f.source and packet.destination in f.destination for f in forwards)


@check(
    fault="nft-table-by-hand",
    needs=("docker.engine_answers",),
    remedy="Delete the table or the rules named here, or declare what they are for.",
)
def test_no_other_table_decides(declared: Host, live: Snapshot) -> None:
    natives = _native_rules(live["nft"])
    foreign = [
        f"{family} {table}: {rule}"
        for family, table, rule in natives
        if not (declared.strongswan and (family, table) == TUNNELS)
    ]
    saved = {**live["iptables"], **{f"legacy {k}": v for k, v in live["legacy_tables"].items()}}
    for family, text in saved.items():
        for name, table in tables(text).items():
            if name != "filter" or family.startswith("legacy"):
                found = [rule for chain in table.values() for rule in chain.rules]
                docker = declared.docker is not None and not family.startswith("legacy")
                strange = [r for r in found if not (docker and written_by_docker(live, name, r))]
                foreign += [f"{family} {name}: {rule.text}" for rule in strange]
    exactly(foreign, [], of="other rules")


def _native_rules(ruleset: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield what decides beside iptables' tables; fail2ban's own table may only refuse.

    That of the tunnels is judged where they are.
    """
    for item in ruleset:
        if chain := item.get("chain"):
            beside = (chain["family"], chain["table"]) in IPTABLES and chain["name"] not in BUILT_IN
            drops = (chain["family"], chain["table"]) not in IPTABLES and chain.get("policy") == "drop"
            if (beside and "hook" in chain) or drops:
                yield chain["family"], chain["table"], f"chain {chain['name']} at {chain['hook']}"
        if rule := item.get("rule"):
            refuses = any("reject" in part or "drop" in part for part in rule["expr"])
            ban = rule["table"] == "f2b-table" and refuses and set_of(rule)
            known = ban or (rule["family"], rule["table"]) in IPTABLES
            if not known:
                yield rule["family"], rule["table"], str(rule["expr"])[:200]


@check(fault="ufw-off-at-boot", remedy="systemctl enable ufw; set ENABLED=yes in /etc/ufw/ufw.conf.")
def test_ufw_returns_at_boot(live: Snapshot) -> None:
    configured = re.findall(r"(?mi)^ENABLED=(\S+)", live["ufw"]["ufw.conf"])
    seen = {"unit": live.unit("ufw.service").get("UnitFileState"), "ENABLED": configured[-1:]}
    same(seen, {"unit": "enabled", "ENABLED": ["yes"]})


@check(
    fault="ufw-file-by-hand", remedy="Say `invoke deploy`, or `ufw reload` when the file is what is wanted."
)
def test_ufw_keeps_what_the_kernel_has(live: Snapshot) -> None:
    kept, loaded = [], []
    for version, name, chain in ((4, "user.rules", "ufw-user-input"), (6, "user6.rules", "ufw6-user-input")):
        lines = live["ufw"][name].splitlines()
        kept += [f"v{version} {canonical(line)}" for line in lines if line.startswith(f"-A {chain} ")]
        rules = filters(live)[version].get(chain)
        loaded += [f"v{version} {canonical(rule.text)}" for rule in rules.rules] if rules else []
    exactly(kept, loaded, of="rules")


@check(fault="ufw-logging-off", remedy=UFW)
def test_logging_is_as_declared(declared: Host, live: Snapshot) -> None:
    lines = [rule.text for chain in filters(live)[4].values() for rule in chain.rules if rule.target == "LOG"]
    audits = [line for line in lines if "AUDIT" in line]
    limited = any("--limit" in line for line in lines)
    found = "medium" if audits and limited else "high" if audits else "low" if lines else "off"
    wanted = "high" if declared.firewall.logging == "full" else declared.firewall.logging
    if found != wanted:
        fail(f"rules that log as level {found}", wanted)


@check(
    fault="v6-only-listener", remedy="Stop the process, let it listen on loopback, or declare its opening."
)
def test_every_listener_is_declared(declared: Host, live: Snapshot, environment: Environment) -> None:
    openings = declared.openings(environment)
    foreign = []
    for each in live["listeners"]:
        loopback = each["address"] == "::1" or each["address"].startswith(("127.", "::ffff:127."))
        known = any(o.protocol == each["protocol"] and each["port"] in o.ports for o in openings)
        known = known or (declared.docker is not None and each["process"] in ENGINE)
        asks = (each["process"], each["protocol"]) == ("asterisk", "udp") and each["port"] in RESOLVERS
        known = known or (declared.asterisk is not None and asks)
        if not (loopback or known or (each["protocol"], each["port"]) in CLIENTS):
            foreign.append(
                f"{each['process'] or 'a process'} on {each['address']} {each['protocol']} {each['port']}"
            )
    exactly(foreign, [], of="undeclared listener")


def listens_in_passing(host: Host) -> set[int]:
    """Return the ports that are open for a moment only: Certbot's while it renews, without nginx."""
    return {80} if host.certbot and not host.nginx else set()


@check(
    fault="stranger-routed-away",
    needs=("firewall.kernel_admits_exactly_the_declared", "firewall.no_other_table_decides",
           "ssh.daemon_answers_on_every_address", "nginx.daemon_takes_connections"),
    remedy="Compare with `invoke openings`: a provider's firewall, a route, a stopped service is in the way.",
)  # fmt: skip
def test_stranger_reaches_exactly_the_declared(
    declared: Host,
    environment: Environment,
    stranger_ports: dict[str, Ports],
    udp_seen: UdpSeen,
    evidence: dict[str, Any],
) -> None:
    wanted, passing = open_to_anybody(declared, environment), listens_in_passing(declared)
    udp = differences(declared, environment, udp_seen)
    evidence |= evidence_of(udp_seen) | ({"in use meanwhile": udp.used} if udp.used else {})
    wrong, blind = list(udp.wrong), []
    for address, seen in stranger_ports.items():
        evidence[address] = {"open": ranges(seen.open), "looked at": seen.looked_at, "control": seen.control}
        wrong += [f"{address} port {port} is open" for port in sorted(seen.open - wanted)]
        looked_at = set(ports_in(seen.looked_at))
        missed = wanted & looked_at - seen.open - passing
        wrong += [f"{address} port {port} is closed" for port in sorted(missed)]
        blind += [] if seen.control else [address]
    if wrong:
        openings = [str(each) for each in udp_openings(declared, environment)]
        fail(wrong, ", ".join((f"open to anybody: {ranges(wanted) or 'none'}", *openings)))
    if blind:
        gates = declared.firewall.answer_ping or bool(wanted)
        not_proven(f"nothing of {', '.join(blind)} answers a stranger, not even what should", gates=gates)
    if udp.unproven:
        not_proven("; ".join(udp.unproven[:6]))
    if udp.left:
        remedy = "Try the service itself from where it is to be used, or declare a vantage host there."
        not_proven(
            f"all that can be looked at is as declared, but {'; '.join(udp.left[:6])}",
            gates=False,
            remedy=remedy,
        )
