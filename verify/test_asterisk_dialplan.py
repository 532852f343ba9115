"""The dialplan as Asterisk has it: who rings where, who may dial what, and what bounds a fraud."""

from __future__ import annotations

from collections.abc import Mapping

from inventories.model import Host
from verify.asterisk import VERIFICATION, asterisk_of, lines_of, settings
from verify.checks import check
from verify.dialplan import (
    A_MINUTE,
    ADMIT,
    MODULES,
    SIMULTANEOUS,
    Context,
    contexts,
    dialled,
    harm,
    recorded,
    recorded_at,
    unlimited,
    wanted_contexts,
    wanted_dialled,
    wanted_extensions,
)
from verify.snapshot import Snapshot
from verify.test_asterisk import ANSWERS, DEPLOY, has_telephony
from verify.verdict import exactly, fail, same

CONTEXTS = ("asterisk.contexts_are_exactly_the_declared",)
NUMBERS = ("asterisk.numbers_lead_to_their_tenants",)
OWN = ("asterisk.tenants_dial_what_is_declared",)


def plan_of(live: Snapshot) -> dict[str, Context]:
    """Return the dialplan that runs."""
    return contexts(live["asterisk"]["said"]["dialplan show"])


def dials(host: Host) -> bool:
    """Say whether a tenant may call out."""
    return any(t.routes for t in (host.asterisk.tenants if host.asterisk else ()))


@check(fault="context-by-hand", needs=ANSWERS, remedy=DEPLOY, applies=has_telephony)
def test_contexts_are_exactly_the_declared(declared: Host, live: Snapshot) -> None:
    """Those of Asterisk's own modules aside."""
    own = (each.name for each in plan_of(live).values() if not each.by.startswith(MODULES))
    exactly(own, wanted_contexts(asterisk_of(declared)), of="context")


@check(fault=("did-unmapped", "did-of-another-tenant"), needs=CONTEXTS, remedy=DEPLOY, applies=has_telephony)
def test_numbers_lead_to_their_tenants(declared: Host, live: Snapshot) -> None:
    """Every number that a trunk brings, and no other, to its tenant's application; kept where declared."""
    asterisk, plan = asterisk_of(declared), plan_of(live)
    for trunk in asterisk.trunks:
        rings = {did: t for t in asterisk.tenants if t.trunk == trunk.name for did in t.dids}
        found = plan[f"from-{trunk.name}"].extensions
        exactly(found, rings, of=f"number of {trunk.name}")
        for did, tenant in rings.items():
            told = [step.data for step in found[did] if step.application == "Stasis"]
            if told != [f"{tenant.application},{tenant.name},${{EXTEN}}"]:
                fail(f"{did} of {trunk.name} leads to {told or 'no application'}", f"{tenant.name}'s")
            kept, place = recorded(found[did], "Stasis"), recorded_at(tenant)
            if kept != place:
                fail(f"{did} of {trunk.name} is recorded at {kept or 'no place'}", place or "no recording")


@check(fault="outbound-reachable-from-inbound", needs=CONTEXTS, remedy=DEPLOY, applies=has_telephony)
def test_nothing_that_comes_in_leads_out(declared: Host, live: Snapshot) -> None:
    """From the context that each loaded endpoint really has: what it includes and jumps to calls nobody."""
    said, plan = live["asterisk"]["said"], plan_of(live)
    shown = {name: text for name, text in said.items() if name.startswith("pjsip show endpoint ")}
    starts = {settings(text).get("context", "") for text in shown.values()}
    found = [each for start in sorted(starts) for each in harm(plan, start)]
    if found:
        fail(found, "no way from a trunk to anybody outside")


@check(fault="route-by-hand", needs=CONTEXTS, remedy=DEPLOY, applies=has_telephony)
def test_tenants_dial_what_is_declared(declared: Host, live: Snapshot) -> None:
    """Each prefix over its trunk's servers in turn, as its caller, kept where declared; nothing else."""
    asterisk, plan = asterisk_of(declared), plan_of(live)
    emergency = set(asterisk.emergency.numbers)
    for tenant in asterisk.tenants:
        found = plan[f"out-{tenant.name}"]
        exactly(set(found.extensions) - emergency, wanted_extensions(asterisk, tenant) - emergency)
        exactly(found.includes, [], of=f"context in out-{tenant.name}")
        routes = {f"_{route.prefix}.": route for route in tenant.routes}
        for extension, steps in found.extensions.items():
            route = routes.get(extension)
            if route is None and extension not in emergency and dialled(steps):
                fail(f"{tenant.name} {extension} dials {dialled(steps)}", "refused")
            if route is None:
                continue
            if dialled(steps) != (wanted := wanted_dialled(asterisk, route)):
                fail(f"{tenant.name} {extension} dials {dialled(steps)}", wanted)
            shown = [s.data for s in steps if s.application == "Set" and s.data.startswith("CALLERID(num)=")]
            if shown != [f"CALLERID(num)={route.caller_id}"]:
                fail(f"{tenant.name} {extension} calls as {shown}", route.caller_id)
            kept, place = recorded(steps, "Dial"), recorded_at(tenant)
            if kept != place:
                fail(f"{tenant.name} {extension} is recorded at {kept}", place or "no recording")


@check(fault="emergency-unhandled", needs=CONTEXTS, remedy=DEPLOY, applies=has_telephony)
def test_emergency_numbers_are_handled(declared: Host, live: Snapshot) -> None:
    """Over the trunk that takes them, past every limit; or refused, which the caller is told."""
    asterisk, plan = asterisk_of(declared), plan_of(live)
    trunk = asterisk.trunk(asterisk.emergency.trunk) if asterisk.emergency.trunk else None
    wanted = [f"PJSIP/${{EXTEN}}@{line.name}" for line in lines_of(trunk)] if trunk else []
    for tenant in asterisk.tenants:
        for number in asterisk.emergency.numbers:
            steps = plan[f"out-{tenant.name}"].extensions.get(number)
            if steps is None:
                fail(
                    f"{tenant.name} has nothing for {number}", f"dialled by {wanted}" if wanted else "refused"
                )
            if dialled(steps) != wanted or any(step.application == "Gosub" for step in steps):
                fail(f"{tenant.name} {number}: {', '.join(map(str, steps))}", wanted or "refused")
            if not wanted and not any(step.application == "Playback" for step in steps):
                fail(f"{tenant.name} {number} is refused without a word", "an announcement")


@check(
    fault=("call-length-unlimited", "calls-a-minute-unlimited"),
    needs=(*NUMBERS, *OWN),
    remedy=DEPLOY,
    applies=has_telephony,
)
def test_limits_stand_before_every_call(declared: Host, live: Snapshot) -> None:
    """Simultaneous calls, calls a minute and the length, of trunk and tenant, before anybody is answered."""
    asterisk, plan = asterisk_of(declared), plan_of(live)
    _admits(plan)
    for tenant in asterisk.tenants:
        for did in tenant.dids:
            steps = plan[f"from-{tenant.trunk}"].extensions[did]
            if missing := unlimited(steps, tenant, asterisk, tenant.trunk, "Answer"):
                fail(f"{did} is answered with {missing} before", "the declared limits")
        for route in tenant.routes:
            steps = plan[f"out-{tenant.name}"].extensions[f"_{route.prefix}."]
            if missing := unlimited(steps, tenant, asterisk, route.trunk, "Dial"):
                fail(f"{tenant.name} dials {route.prefix} with {missing} before", "the declared limits")
    echo = plan[VERIFICATION].extensions.get("echo", [])
    if not any(step.data.startswith("TIMEOUT(absolute)=") for step in echo):
        fail("the echo may last for ever", "a limit of its own")


def _admits(plan: Mapping[str, Context]) -> None:
    """Fail where what counts the calls counts no longer."""
    found = plan[ADMIT].extensions
    counted = [(step.application, step.data) for step in found.get("s", ())]
    for name, wanted in (("simultaneous calls", SIMULTANEOUS), ("calls a minute", A_MINUTE)):
        if wanted not in counted:
            fail(f"{ADMIT} compares no {name}: {', '.join(data for how, data in counted if how == 'GotoIf')}",
                 wanted[1])  # fmt: skip
    for refused in ("many", "fast"):
        same({refused: [str(s) for s in found.get(refused, ())][-1:]}, {refused: ["Hangup(17)"]})
