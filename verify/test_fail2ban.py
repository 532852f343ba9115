"""fail2ban: its jails as the running server has them, and its bans as the kernel has them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from inventories.model import Environment, Host, Jail
from verify.attack import Attack, refused
from verify.checks import check
from verify.looks import addresses
from verify.observed import Observed
from verify.probes.arguments import ports as ports_in
from verify.probes.arguments import ranges
from verify.snapshot import Snapshot
from verify.vantage import Vantage
from verify.verdict import exactly, fail, same

RESTART = (
    "systemctl restart fail2ban (a reload does not bring changed actions to the kernel), or `invoke deploy`."
)
LOOPBACK = ("127.0.0.0/8", "::1/128")
ALIVE = ("fail2ban.server_answers",)


@check(
    fault="fail2ban-stopped",
    remedy="systemctl restart fail2ban; journalctl -u fail2ban says what it refuses.",
)
def test_server_answers(live: Snapshot) -> None:
    if error := live.error("fail2ban"):
        fail(error, "an answer on fail2ban's socket")


@check(fault="jail-stopped", needs=ALIVE, remedy=RESTART)
def test_jails_are_exactly_the_declared(declared: Host, live: Snapshot, environment: Environment) -> None:
    exactly(live["fail2ban"], [jail.name for jail in declared.jails(environment)], of="jails")


def jails(declared: Host, live: Snapshot, environment: Environment) -> Iterator[tuple[Jail, dict[str, Any]]]:
    """Yield each declared jail with the one that runs."""
    running = live["fail2ban"]
    for jail in declared.jails(environment):
        yield jail, running[jail.name]


def declared_hits(jail: Jail) -> dict[str, str]:
    """Return the ports that a banned address is to lose, by protocol."""
    lost: dict[str, set[int]] = {}
    for opening in jail.openings:
        lost.setdefault(opening.protocol, set()).update(range(opening.ports.first, opening.ports.last + 1))
    return {protocol: ranges(ports) for protocol, ports in lost.items()}


def hit(actions: list[list[str]]) -> dict[str, str]:
    """Return the ports that the running actions take away, by protocol; a port's name stays a name."""
    lost: dict[str, str] = {}
    for protocols, text in actions:
        for protocol in filter(None, protocols.split(",")):
            lost[protocol] = ",".join(filter(None, (lost.get(protocol), text.replace(":", "-"))))
    return {p: ranges(ports_in(text)) if re.fullmatch(r"[\d,-]+", text) else text for p, text in lost.items()}


@check(fault="jail-softened", needs=("fail2ban.jails_are_exactly_the_declared",), remedy=RESTART)
def test_jail_settings_are_effective(declared: Host, live: Snapshot, environment: Environment) -> None:
    for jail, running in jails(declared, live, environment):
        wanted = {"maxretry": jail.max_retry, "findtime": jail.find_time, "bantime": jail.ban_time}
        same({key: int(running[key]) for key in wanted}, wanted)
        same(hit(running["hits"]), declared_hits(jail))
        if not running["failregex"]:
            fail(f"jail {jail.name} has no pattern to find", f"those of the filter {jail.filter}", RESTART)


@check(fault="jail-log-path-wrong", needs=("fail2ban.jails_are_exactly_the_declared",), remedy=RESTART)
def test_jails_read_what_is_declared(declared: Host, live: Snapshot, environment: Environment) -> None:
    for jail, running in jails(declared, live, environment):
        where = {"jail": jail.name, "log": running["logpath"], "journal": running["journalmatch"]}
        if jail.log is None and (running["logpath"] or not running["journalmatch"]):
            fail(where, "the systemd journal")
        if jail.log is not None and running["logpath"] != [jail.log]:
            fail(where, jail.log)
        if running["missing_logs"]:
            fail({"jail": jail.name, "missing": running["missing_logs"]}, "a log that exists")


@check(fault="trusted-by-hand", needs=("fail2ban.jails_are_exactly_the_declared",), remedy=RESTART)
def test_trusted_are_exactly_the_declared(declared: Host, live: Snapshot, environment: Environment) -> None:
    wanted = {str(network) for network in (*environment.never_banned(declared), *map(ip_network, LOOPBACK))}
    for jail, running in jails(declared, live, environment):
        exactly({_canonical(text) for text in running["ignoreip"]}, wanted | set(map(_canonical, jail.never)))


def _canonical(text: str) -> str:
    """Return a network as the model writes it; a name stays a name."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text


@check(
    fault=("trusted-banned", "trunk-banned"),
    needs=("fail2ban.trusted_are_exactly_the_declared",),
    remedy="fail2ban-client unban ADDRESS",
)
def test_nobody_trusted_is_banned(declared: Host, live: Snapshot, environment: Environment) -> None:
    trusted = environment.never_banned(declared)
    banned = {
        str(address).split()[0] for _, jail in jails(declared, live, environment) for address in jail["banip"]
    }
    shut_out = [
        a for a in banned if any(ip_address(a) in n for n in trusted if n.version == ip_address(a).version)
    ]
    exactly(shut_out, [])


@check(fault="bans-flushed", needs=ALIVE, remedy=RESTART)
def test_bans_are_in_the_packet_filter(live: Snapshot, evidence: dict[str, Any]) -> None:
    banned = {str(address).split()[0] for jail in live["fail2ban"].values() for address in jail["banip"]}
    evidence["banned"] = len(banned)
    if missing := banned - refused(live["nft"]):
        fail(
            f"banned by fail2ban, not by the kernel: {', '.join(sorted(missing))}",
            "each ban in an nftables set",
        )


@check(
    fault="ban-without-effect",
    needs=("fail2ban.jail_settings_are_effective", "fail2ban.jails_read_what_is_declared",
           "fail2ban.trusted_are_exactly_the_declared", "fail2ban.bans_are_in_the_packet_filter"),
    remedy=RESTART,
    disruptive=True,
    applies=lambda host: not host.ssh.sources,
)  # fmt: skip
def test_attacker_is_banned_and_let_in_again(
    declared: Host, observed: Observed, outside: Vantage, evidence: dict[str, Any]
) -> None:
    for address in addresses(declared):
        evidence[f"seconds to the ban at {address}"] = banned_and_forgiven(
            Attack(observed, declared, outside, address)
        )


def banned_and_forgiven(attack: Attack) -> float:
    """Attack one address of a host and forgive; return the seconds to the ban."""
    began = time.monotonic()
    try:
        if not attack.until_banned():
            fail(
                f"{attack.source} is not banned after {attack.tries} wrong passwords",
                "a ban in the packet filter",
            )
        seconds = round(time.monotonic() - began, 1)
        if (state := attack.state()) == "open":
            fail(f"{attack.source} is in a set of the kernel and still finds the port {state}", "closed")
        if trusted := attack.by_the_controller():
            fail(f"banned: {', '.join(trusted)}", "the controller is never banned, even when it errs")
    finally:
        attack.forgive()
    if (state := attack.state()) != "open":
        fail(f"{attack.source} finds the port {state} after the unban", "open")
    return seconds
