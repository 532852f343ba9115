"""Certificates: issued for exactly the declared names, with life left, and renewed before it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from inventories.model import Certificate as Declared
from inventories.model import Environment, Host
from verify.checks import check
from verify.guideline import LEAST_SHARE, WARN_SHARE
from verify.probes.certificate import Certificate, day, read_pem
from verify.probes.dns import Answer
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, not_proven, same, warn

AGAIN = "`invoke deploy` asks the authority; /var/log/letsencrypt/letsencrypt.log says what it answered."
DEPLOY = "`invoke plan` shows what was changed by hand; `invoke deploy` takes it back."
ISSUED = ("certbot.certificates_are_issued",)
LIVE = "/etc/letsencrypt/"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/trunkline"
SECONDS = 300


def asks(host: Host) -> bool:
    """Say whether a host asks an authority for certificates."""
    return host.certbot is not None


def certificates(
    host: Host, environment: Environment, live: Snapshot
) -> Iterator[tuple[Declared, dict[str, Any], tuple[Certificate, ...]]]:
    """Yield each declared certificate with what stands on the disk, and its chain."""
    for each in {one.name: one for one in host.certificates(environment)}.values():
        held = live["certificates"]["files"][each.name]
        try:
            yield each, held, read_pem(held["pem"]) if held["pem"] else ()
        except ValueError as error:
            fail(f"{held['path']}: {error}", "certificates in PEM", AGAIN)


@check(
    fault="dns-points-elsewhere",
    remedy="Correct the name's A and AAAA records, or the inventory.",
    applies=asks,
)
def test_names_lead_to_this_host_alone(
    declared: Host, resolved: tuple[Answer, ...], evidence: dict[str, Any]
) -> None:
    """Nothing else may stand beside the host's addresses: the authority and browsers take any of them."""
    if declared.nginx and declared.nginx.load_balancers:
        not_proven("the names lead to the load balancers", gates=False)
    wanted = {
        "A": {str(declared.address.ip)},
        "AAAA": {str(declared.address6.ip)} if declared.address6 else set(),
    }
    evidence["server"] = ", ".join(sorted({answer.server for answer in resolved}))
    for answer in resolved:
        if answer.error:
            not_proven(f"{answer.name} {answer.type}: {answer.error}")
        if set(answer.values) != wanted[answer.type]:
            seen = ", ".join(answer.values) or answer.code.replace("NOERROR", "nothing")
            fail(f"{answer.name} {answer.type}: {seen}", ", ".join(wanted[answer.type]) or "no such record")


@check(fault="placeholder-left", remedy=AGAIN, needs=("certbot.names_lead_to_this_host_alone",), applies=asks)
def test_certificates_are_issued(declared: Host, live: Snapshot, environment: Environment) -> None:
    for each, held, chain in certificates(declared, environment, live):
        if not chain:
            fail(f"there is no certificate {each.name}", "one of the authority's")
        if not held["path"].startswith(LIVE):
            fail(f"{each.name} is the placeholder {held['path']}", "one of the authority's")


@check(fault="certificate-wrong-name", needs=ISSUED, remedy=AGAIN, applies=asks)
def test_certificates_hold_their_names(declared: Host, live: Snapshot, environment: Environment) -> None:
    for each, _, chain in certificates(declared, environment, live):
        exactly(chain[0].names, each.names)


@check(
    fault="certificate-expired", needs=ISSUED, applies=asks,
    remedy="`certbot renew` on the host says why it was not renewed; port 80 and the names' DNS first.",
)  # fmt: skip
def test_certificates_have_life_left(
    declared: Host, live: Snapshot, environment: Environment, evidence: dict[str, Any]
) -> None:
    """A share of the lifetime, not days: lifetimes of 90, 45 and 6 days are all in use (RFC 9773)."""
    short = []
    for each, _, chain in certificates(declared, environment, live):
        share, until = chain[0].share_left(time.time()), day(chain[0].not_after)
        evidence[each.name] = f"{share:.0%} left, until {until}"
        if chain[0].not_before > time.time() + 60:
            fail(f"{each.name} is valid from {day(chain[0].not_before)} on", "now")
        if share < LEAST_SHARE:
            fail(f"{each.name} ends {until}: {share:.0%} of its life left", f"at least {LEAST_SHARE:.0%}")
        if share < WARN_SHARE:
            short.append(f"{each.name} ends {until}: {share:.0%} of its life left")
    if short:
        warn(short, f"at least {WARN_SHARE:.0%}: Certbot renews at a third")


@check(
    fault=("private-key-readable", "private-key-other"), needs=ISSUED, applies=asks,
    remedy="chmod 600 the key; where others could read it, `certbot renew --force-renewal --cert-name NAME`.",
)  # fmt: skip
def test_private_keys_fit_and_are_private(declared: Host, live: Snapshot, environment: Environment) -> None:
    for each, held, chain in certificates(declared, environment, live):
        key = held["key"]
        if key is None or key["public"] != chain[0].key:
            fail(f"{each.name}: the key in privkey.pem is another", "the certificate's own")
        if key["owner"] != "root" or int(key["mode"], 8) & 0o077:
            fail(f"{key['path']} is {key['mode']} of {key['owner']}:{key['group']}", "0600 of root")


@check(fault=("renewal-timer-off", "renewal-failed"), remedy=AGAIN, applies=asks)
def test_renewal_will_run(live: Snapshot, evidence: dict[str, Any]) -> None:
    units = live["certificates"]["units"]
    timer, service = units["certbot.timer"], units["certbot.service"]
    same(timer, {"UnitFileState": "enabled", "ActiveState": "active"})
    evidence["next"], evidence["last"] = timer["NextElapseUSecRealtime"], timer["LastTriggerUSec"]
    if not timer["NextElapseUSecRealtime"]:
        fail("certbot.timer has no next time", "twice a day")
    same(service, {"Result": "success", "LoadState": "loaded"})


@check(fault="renewal-settings-by-hand", needs=ISSUED, remedy=AGAIN, applies=asks)
def test_renewal_asks_the_declared_authority(
    declared: Host, live: Snapshot, environment: Environment
) -> None:
    assert declared.certbot is not None
    way = "webroot" if declared.nginx else "standalone"
    for each, _, _ in certificates(declared, environment, live):
        kept = live["certificates"]["renewal"].get(each.name)
        if kept is None:
            fail(f"Certbot keeps no settings to renew {each.name}", f"renewal/{each.name}.conf")
        same(kept, {"server": declared.certbot.directory, "authenticator": way})
        if kept.get("autorenew", "True") != "True":
            fail(f"{each.name} is not renewed by itself", "autorenew")
        if kept.get("installer", "None") != "None":
            fail(f"{each.name} is installed by {kept['installer']}", "nothing that edits our files")


@check(fault="renewal-hook-gone", needs=ISSUED, remedy=DEPLOY, applies=asks)
def test_renewal_hook_is_in_place(live: Snapshot) -> None:
    exactly(live["certificates"]["hooks"], [HOOK])


@check(
    fault="foreign-certificate",
    remedy="certbot delete --cert-name NAME, or declare who needs it.",
    applies=asks,
)
def test_no_certificate_is_undeclared(declared: Host, live: Snapshot, environment: Environment) -> None:
    ours = {each.name for each in declared.certificates(environment)}
    if foreign := sorted(set(live["certificates"]["lineages"]) - ours):
        warn(foreign, "certificates that somebody declared")


@check(
    fault="renewal-broken", disruptive=True, applies=asks, remedy=AGAIN,
    needs=("certbot.certificates_are_issued", "certbot.renewal_asks_the_declared_authority"),
)  # fmt: skip
def test_renewal_dry_run_succeeds(box: Any, evidence: dict[str, Any]) -> None:
    """Certbot asks the authority's staging for new certificates and throws them away; hooks do not run."""
    done = box.run(f"timeout {SECONDS} certbot renew --dry-run --no-random-sleep-on-renew")
    words = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip(" -")]
    evidence["said"] = words[-6:]
    if done.rc:
        told = [line for line in words if "rror" in line or "ailed" in line or "Detail" in line]
        fail(told or words[-4:], "a renewal that would succeed")
