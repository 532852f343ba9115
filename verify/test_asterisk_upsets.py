"""Telephony that is disturbed on purpose: a proxy gone, too many calls, attackers, sessions that last."""

from __future__ import annotations

import time
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Any

from inventories.model import Environment, Host, RegisteringTrunk, Route, Tenant, Trunk
from verify.calls import RINGS, SPOKEN, answering, call_out, carrier_of
from verify.checks import check
from verify.observed import Observed
from verify.sip_asked import (
    ECHO,
    REHEARSE,
    USER,
    addresses_of_carriers,
    exchange,
    password_of,
    places,
)
from verify.sip_attack import SipAttack
from verify.test_asterisk_calls import RING
from verify.test_asterisk_outside import LET_IN, has_telephony
from verify.vantage import Vantage
from verify.verdict import fail, not_proven

OUT = "asterisk.calls_go_out_as_declared"
SOON = 10.0
"""Seconds after which a caller must have the backup: whoever hears nothing for longer hangs up."""
GIVES_BACK = 45.0
"""Seconds until the primary is used again: it is asked every 30 (qualify_frequency)."""
MOST_AT_ONCE = 12
"""Calls that are begun to reach a limit; a larger one is not tried."""
BUSY = 486
ENOUGH = 45
"""Seconds after which a session of 90 must have been refreshed (RFC 4028, section 7.4)."""


def reserved(host: Host) -> list[tuple[Tenant, Route, RegisteringTrunk]]:
    """Return a route over each trunk that has a backup, with its tenant."""
    found: dict[str, tuple[Tenant, Route, RegisteringTrunk]] = {}
    for tenant in host.asterisk.tenants if host.asterisk else ():
        for route in tenant.routes:
            trunk = exchange(host).trunk(route.trunk)
            if isinstance(trunk, RegisteringTrunk) and trunk.backup:
                found.setdefault(trunk.name, (tenant, route, trunk))
    return list(found.values())


@check(
    fault="timers-by-default", disruptive=True, needs=(OUT,), applies=lambda host: bool(reserved(host)),
    remedy="timer_t1 and timer_b in /etc/asterisk/pjsip_transports.conf (a restart takes them), and the"
    " backup's own state: `pjsip show contacts`.",
)  # fmt: skip
def test_backup_takes_over_and_gives_back(
    declared: Host, observed: Observed, evidence: dict[str, Any]
) -> None:
    """A call begun just as the primary falls silent: the worst moment; then one after its return."""
    for tenant, route, trunk in reserved(declared):
        carrier = carrier_of(observed, declared, trunk)
        if carrier is None:
            not_proven(f"no carrier stands for {trunk.name}", gates=False, remedy=REHEARSE)
        primary, backup = carrier.addresses
        carrier.down("primary")
        try:
            over = call_out(observed, declared, tenant, route, SPOKEN, 50.0)
        finally:
            carrier.up("primary")
        if over.call is None or not over.call.answered or over.call.source != backup:
            seen = over.call.source if over.call else "nobody"
            fail(f"{trunk.name} with its primary silent: {seen} got the call", f"{backup}, the backup")
        evidence[f"{trunk.name}: seconds to the backup"] = over.seconds
        back = _seconds_until_back(observed, declared, tenant, route, primary)
        evidence[f"{trunk.name}: seconds to the primary"] = back
        if over.seconds > SOON:
            fail(f"the backup of {trunk.name} gets the call after {over.seconds} s", f"{SOON:g} s at most")
        if back is None:
            fail(f"the primary of {trunk.name} gets no call after {GIVES_BACK:g} s", f"{primary} again")


def _seconds_until_back(
    observed: Observed, host: Host, tenant: Tenant, route: Route, primary: str
) -> float | None:
    since = time.monotonic()
    while time.monotonic() - since < GIVES_BACK:
        made = call_out(observed, host, tenant, route, 0.5, 20.0)
        if made.call and made.call.answered and made.call.source == primary:
            return round(time.monotonic() - since, 1)
        time.sleep(3)
    return None


def narrowest(host: Host) -> tuple[int, str, Trunk] | None:
    """Return the smallest limit of simultaneous calls that one number meets, the number and its trunk."""
    asterisk, found = exchange(host), []
    for tenant in asterisk.tenants:
        trunk = asterisk.trunk(tenant.trunk)
        for did in tenant.dids[:1] if trunk else ():
            assert trunk is not None
            found.append((min(tenant.limits.calls, trunk.limits.calls), did, trunk))
    return min(found, key=lambda each: each[0], default=None)


@check(
    fault="call-limit-removed", disruptive=True, needs=(RING,), applies=has_telephony,
    remedy="Compare the context admit in /etc/asterisk/extensions.conf; `invoke deploy` takes it back.",
)  # fmt: skip
def test_calls_over_the_limit_are_refused(
    declared: Host, observed: Observed, evidence: dict[str, Any]
) -> None:
    """As many as declared are answered, one more is busy."""
    found = narrowest(declared)
    if found is None or found[0] > MOST_AT_ONCE:
        not_proven(f"no limit is below {MOST_AT_ONCE} calls", gates=False)
    limit, did, trunk = found
    carrier = carrier_of(observed, declared, trunk)
    if carrier is None:
        not_proven(f"no carrier stands for {trunk.name}", gates=False, remedy=REHEARSE)
    with answering(observed, declared), ExitStack() as calls:
        for number in range(limit):
            begun = calls.enter_context(carrier.calling(did, seconds=60, host=declared.name))
            if not begun.answered(RINGS):
                fail(f"call {number + 1} of {limit} to {did}: {begun.call().status}", "answered")
        more = carrier.call(did, seconds=1.0, host=declared.name)
    evidence[did] = f"{limit} calls at once, then {more.status}"
    if more.answered or more.status != BUSY:
        fail(f"call {limit + 1} of {limit} to {did}: {more.status}", f"{BUSY}, before anything is answered")


@check(
    fault="bans-without-effect", disruptive=True, applies=has_telephony,
    needs=("fail2ban.jail_settings_are_effective", "fail2ban.jails_read_what_is_declared",
           "fail2ban.trusted_are_exactly_the_declared", "fail2ban.bans_are_in_the_packet_filter"),
    remedy="The level security in /etc/asterisk/logger.conf, the log's date format, and the jail's filter:"
    " `fail2ban-regex /var/log/asterisk/messages.log asterisk`.",
)  # fmt: skip
def test_attackers_are_banned_and_carriers_never(
    declared: Host, observed: Observed, environment: Environment, outside: Vantage, evidence: dict[str, Any]
) -> None:
    """Calls without a password; the same in each carrier's name, which must change nothing for it."""
    attack = SipAttack(observed, declared, outside)
    began = time.monotonic()
    try:
        if attack.status() == 0:
            evidence["attacker"] = "is not heard: SIP is for the carriers and the controllers alone"
        elif not attack.until_banned():
            fail(f"{attack.source} is not banned after {attack.tries} calls", "a ban in the packet filter")
        else:
            evidence["seconds to the ban"] = round(time.monotonic() - began, 1)
            if status := attack.status():
                fail(f"{attack.source} is in a set of the kernel and still gets {status}", "silence")
        _forged(attack, observed, declared, environment, evidence)
    finally:
        attack.forgive()


def _forged(
    attack: SipAttack, observed: Observed, host: Host, environment: Environment, evidence: dict[str, Any]
) -> None:
    """Forge calls in the name of each carrier's address; who is known by it must still be answered."""
    known = places(observed, host)
    every = addresses_of_carriers(observed, host)
    evidence["forged"] = {address: attack.in_the_name_of(address) for address in every}
    time.sleep(2)  # fail2ban reads the log once a second
    trusted = environment.never_banned(host)
    refused = attack.refused()
    banned = sorted(a for a in refused if a in every or any(ip_address(a) in n for n in trusted))
    if banned:
        fail(f"banned: {', '.join(banned)}", "nobody trusted is ever banned, whoever uses their names")
    for address, (trunk, place, _) in known.items():
        seen = place.probe("sip", str(host.address.ip), "--source", address)
        if not (status := seen["looks"][-1]["answers"][-1]["status"]):
            fail(f"{trunk.name} {address} gets {status or 'silence'} after the forgery", "an answer")


@check(
    fault="session-timers-off", disruptive=True, needs=(LET_IN, "asterisk.echo_is_heard_both_ways"),
    applies=has_telephony, remedy="`timers=yes` of each endpoint: `pjsip show endpoint verify`.",
)  # fmt: skip
def test_sessions_are_refreshed_in_time(declared: Host, observed: Observed, evidence: dict[str, Any]) -> None:
    """A session of 90 s, the shortest there is (RFC 4028): Asterisk refreshes it, and takes our refresh."""
    words = ("--to", ECHO, "--user", USER, "--refresher", "uas")
    controller, password = observed.vantages["controller"], password_of(observed, declared)
    seen = controller.probe("sip_refresh", str(declared.address.ip), *words, input=password, timeout=120)
    evidence |= {key: seen[key] for key in ("interval", "refresher", "refreshes", "seconds", "state")}
    if not seen["interval"]:
        fail(f"{seen['status']}: no session timer was agreed on", "one of 90 s")
    if seen["state"] != "we hung up" or seen["seconds"] < ENOUGH:
        fail(f"the call lived {seen['seconds']:.0f} s: {seen['state']} {seen['why']}", "until we hang up")
    refused = [f"{how} of {who}: {status}" for who, how, status in seen["refreshes"] if status != 200]
    if refused or {who for who, _, _ in seen["refreshes"]} != {"we", "peer"}:
        fail(refused or f"refreshed by {seen['refreshes']}", "a refresh by either side, accepted")
