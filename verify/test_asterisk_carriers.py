"""The carriers as Asterisk has them: by which addresses it knows them, and what they answer it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from inventories.model import Environment, Host
from verify.asterisk import (
    VERIFY,
    asked,
    asterisk_of,
    contacts,
    controllers,
    identified,
    lines,
    registrations,
)
from verify.checks import check
from verify.collector import program
from verify.observed import Observed
from verify.snapshot import Snapshot
from verify.test_asterisk import OBJECTS, has_telephony
from verify.verdict import exactly, fail

CARRIER = "`pjsip show registrations`, `pjsip show contacts` and messages.log say what the carrier answers."
SETTLES = 36.0
"""Seconds after which a carrier that is well has answered: it is asked every 30, and given 3."""


def registers(host: Host) -> bool:
    """Say whether a trunk is there by registration."""
    return host.asterisk is not None and any(line.registers for line in lines(host.asterisk))


@check(
    fault="carrier-address-missing",
    needs=OBJECTS,
    remedy="Compare `match` in /etc/asterisk/pjsip.conf with the trunk's addresses; `invoke deploy`.",
    applies=has_telephony,
)
def test_carriers_are_known_by_exactly_their_addresses(
    declared: Host, live: Snapshot, environment: Environment
) -> None:
    known = identified(live["asterisk"]["said"]["pjsip show identifies"])
    wanted = {VERIFY: {str(each) for each in controllers(environment)}}
    wanted |= {
        line.name: {str(each) for each in line.trunk.addresses}
        for line in lines(asterisk_of(declared))
        if line.first and line.trunk.addresses
    }
    exactly(
        (f"{name} by {network}" for name, networks in known.items() for network in networks),
        (f"{name} by {network}" for name, networks in wanted.items() for network in networks),
    )


def settled(
    observed: Observed, host: Host, live: Snapshot, wrong: Callable[[Mapping[str, str]], dict[str, str]]
) -> dict[str, str]:
    """Return what is wrong still when Asterisk, just started, has had time to ask its carriers."""
    found, until = wrong(live["asterisk"]["said"]), time.monotonic() + SETTLES
    while found and time.monotonic() < until:
        time.sleep(2)
        request = {"sections": ["asterisk"], "asterisk": asked(host)}
        answer = observed.connection(host).python(program(request), 30)
        found = wrong(Snapshot.read(json.loads(answer))["asterisk"]["said"])
    return found


@check(
    fault="backup-unreachable",
    needs=(*OBJECTS, "asterisk.transports_are_bound"),
    remedy=CARRIER,
    applies=has_telephony,
)
def test_carriers_answer_when_they_are_asked(
    declared: Host, live: Snapshot, observed: Observed, evidence: dict[str, Any]
) -> None:
    """OPTIONS every 30 s to each server, primary and backup (qualify), as Asterisk sees it."""
    wanted = {line.name: line.server for line in lines(asterisk_of(declared))}

    def wrong(said: Mapping[str, str]) -> dict[str, str]:
        found = contacts(said["pjsip show contacts"])
        told = {name: found.get(name, "not asked") for name in wanted}
        evidence.update(told)
        return {f"{name} at {wanted[name]}": state for name, state in told.items() if state != "Avail"}

    if silent := settled(observed, declared, live, wrong):
        fail(silent, "Avail")


@check(
    fault="registration-rejected",
    needs=("asterisk.carriers_answer_when_they_are_asked",),
    remedy=CARRIER,
    applies=registers,
)
def test_registrations_hold(
    declared: Host, live: Snapshot, observed: Observed, evidence: dict[str, Any]
) -> None:
    """At the primary and at the backup, as Asterisk sees them."""
    wanted = {line.name: line.server for line in lines(asterisk_of(declared)) if line.registers}

    def wrong(said: Mapping[str, str]) -> dict[str, str]:
        found = registrations(said["pjsip show registrations"])
        told = {name: f"{found[name].status} at {found[name].server}" for name in wanted}
        evidence.update(told)
        good = {n for n in wanted if found[n].status == "Registered" and found[n].is_at(wanted[n])}
        return {name: told[name] for name in wanted.keys() - good}

    if refused := settled(observed, declared, live, wrong):
        fail(refused, ", ".join(f"{name} registered at {server}" for name, server in wanted.items()))
