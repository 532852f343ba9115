"""Who commands Asterisk and what it keeps: AMI, ARI, the tenants' applications, recordings."""

from __future__ import annotations

from typing import Any

from inventories.model import Environment, Host
from verify.asterisk import (
    TIDY,
    TIMER,
    ami_users,
    applications,
    ari_users,
    asterisk_of,
    bound,
    wanted_bound,
    wanted_user,
)
from verify.checks import check
from verify.snapshot import Snapshot
from verify.test_asterisk import ANSWERS, DEPLOY, has_telephony
from verify.verdict import exactly, fail, not_proven, same, warn

DAY, MIB = 86400, 2**20
HOURLY = 2 * 3600
"""Seconds by which a recording may outlive its days: the hourly timer, and a host that was down."""
LATER = "Certbot's hook, a package or a person may have done it: `ls -ld`, then `invoke deploy`."


def records(host: Host) -> bool:
    """Say whether a tenant's calls are kept."""
    return any(t.recording for t in (host.asterisk.tenants if host.asterisk else ()))


@check(
    fault="ami-public",
    needs=ANSWERS,
    remedy="bindaddr in /etc/asterisk/manager.conf and http.conf: `invoke deploy`.",
    applies=has_telephony,
)
def test_interfaces_are_bound_as_declared(declared: Host, live: Snapshot) -> None:
    """AMI and ARI where they are declared and nowhere else: as Asterisk says, and as the kernel does."""
    asterisk = asterisk_of(declared)
    same(bound(live["asterisk"]["said"]), wanted_bound(asterisk))
    wanted = {f"{each.bind}:{each.port}" for each in (asterisk.ami, asterisk.ari) if each}
    sip = {"tcp": {5060}, "tls": {5061}}
    ports = set().union(*(sip.get(each, set()) for each in asterisk.transports))
    held = (
        f"{each['address']}:{each['port']}"
        for each in live["listeners"]
        if each["process"] == "asterisk" and each["protocol"] == "tcp" and each["port"] not in ports
    )
    exactly(held, wanted, of="interface")


@check(
    fault=("ami-user-with-all-rights", "ami-permits-everybody"),
    needs=ANSWERS,
    remedy=DEPLOY,
    applies=has_telephony,
)
def test_interface_users_have_their_rights_alone(declared: Host, live: Snapshot) -> None:
    """Exactly the declared users, from where and with what they were given; nobody has everything."""
    asterisk, said = asterisk_of(declared), live["asterisk"]["said"]
    wanted = {user.name: user for user in (asterisk.ami.users if asterisk.ami else ())}
    found = ami_users(said)
    exactly((f"AMI {name}" for name in found), (f"AMI {name}" for name in wanted), of="user of AMI")
    for name, user in wanted.items():
        same(found[name], wanted_user(user))
    own = {asterisk.ari.user} if asterisk.ari else set()
    exactly((f"ARI {n}" for n in ari_users(said["ari show users"])), (f"ARI {n}" for n in own))


@check(
    fault="application-not-connected",
    needs=ANSWERS,
    remedy="Start the tenants' program and look at its log: it must subscribe to ARI under that name.",
    applies=has_telephony,
)
def test_applications_are_connected(
    declared: Host, live: Snapshot, environment: Environment, evidence: dict[str, Any]
) -> None:
    """Whoever calls a number whose application is not there is hung up on."""
    found = applications(live["asterisk"]["said"]["ari show apps"])
    wanted = {tenant.application for tenant in asterisk_of(declared).tenants if tenant.dids}
    evidence["connected"] = sorted(found)
    if environment.in_twin and not found:
        not_proven("a twin has none of the tenants' own programs", gates=False)
    exactly(found, wanted, of="application")


@check(fault="recording-directory-not-writable", needs=ANSWERS, remedy=LATER, applies=records)
def test_recordings_can_be_written(declared: Host, live: Snapshot) -> None:
    """By Asterisk, and read by nobody else; a call goes on without a word when it cannot be recorded."""
    for tenant, found in live["asterisk"]["recordings"].items():
        if not found["is"]:
            fail(f"{tenant} has no directory for recordings", "one")
        if not found["writable"]:
            fail(f"{tenant}: {found['mode']} of {found['owner']}, where Asterisk cannot write", "writable")
        if int(found["mode"], 8) & 0o007:
            fail(f"{tenant}: mode {found['mode']}: anybody reads what was said", "0750")


@check(
    fault=("recordings-kept-too-long", "recordings-timer-off"),
    needs=("asterisk.recordings_can_be_written",),
    remedy=f"systemctl status {TIMER} {TIDY}; `systemctl start {TIDY}` deletes what is too old or too much.",
    applies=records,
)
def test_recordings_are_kept_as_long_as_declared(
    declared: Host, live: Snapshot, evidence: dict[str, Any]
) -> None:
    """Days and quota as declared, a timer that sees to it, and room for what the quota promises."""
    same(live.unit(TIMER), {"ActiveState": "active", "UnitFileState": "enabled"})
    if live.unit(TIDY).get("ActiveState") == "failed":
        fail(f"{TIDY} has failed", "recordings that are tidied up every hour")
    kept = {t.name: t.recording for t in asterisk_of(declared).tenants if t.recording}
    for tenant, found in live["asterisk"]["recordings"].items():
        limit = kept[tenant]
        age = (live.now - found["oldest"]) if found["oldest"] else 0.0
        evidence[tenant] = f"{found['files']} files, {found['bytes'] // MIB} of {limit.quota_mb} MiB"
        if age > limit.days * DAY + HOURLY:
            fail(f"{tenant} has a recording of {age / DAY:.0f} days", f"none older than {limit.days}")
        if found["bytes"] > limit.quota_mb * MIB:
            fail(f"{tenant}'s recordings take {found['bytes'] // MIB} MiB", f"{limit.quota_mb} at most")
    free = min((found["free"] for found in live["asterisk"]["recordings"].values()), default=0)
    missing = sum(kept[t].quota_mb * MIB - f["bytes"] for t, f in live["asterisk"]["recordings"].items())
    if free < missing:
        warn(f"{free // MIB} MiB are free, and recordings may take {missing // MIB} more", "room for all")
