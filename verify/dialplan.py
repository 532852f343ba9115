"""The dialplan as Asterisk has it (`dialplan show`), and what leads where in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from inventories.model import Asterisk, Route, Tenant
from verify.asterisk import RECORDINGS, VERIFICATION, lines_of

ADMIT, NOWHERE, REFUSED = "admit", "nowhere", "refused"
JUMPS = ("Goto", "GotoIf", "GotoIfTime", "Gosub", "GosubIf", "ExecIf", "Macro", "MacroIf", "While")
HARMLESS = (
    *("Set", "Answer", "MixMonitor", "Stasis", "Hangup", "Log", "Return", "Echo", "NoOp", "Wait"),
    *("Progress", "Playback", *JUMPS),
)
"""What may stand where a call comes in: nothing of this calls anybody."""
MODULES = ("res_", "func_", "app_", "pbx_features")
"""Whose contexts are Asterisk's own: no trunk's call is sent there."""
SIMULTANEOUS = ("GotoIf", "$[${GROUP_COUNT(${ARG2}@${ARG1})} > ${ARG3}]?many,1")
A_MINUTE = ("GotoIf", "$[${CALLS} > ${ARG4}]?fast,1")


@dataclass(frozen=True)
class Step:
    """One priority of an extension."""

    application: str
    data: str

    def __str__(self) -> str:
        """Write it as it stands in extensions.conf."""
        return f"{self.application}({self.data})"


@dataclass
class Context:
    """A context: what it has, what it includes, and who made it."""

    name: str
    by: str
    extensions: dict[str, list[Step]] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)
    """Other contexts, and switches that lead out of the dialplan."""


_CONTEXT = re.compile(r"^\[ Context '([^']+)' created by '([^']*)' \]")
_INCLUDE = re.compile(r"^ +(?:Include|Switch|Alt\. Switch) +=> +'?([^'\[]+?)'? *(?:\[|$)", re.IGNORECASE)
_STEP = re.compile(
    r"^(?:  '(?P<extension>[^']+)'(?: \(CID match '[^']*'\))? => *| +(?:\[[^\]]*\])? *)"
    r"(?P<place>\d+)\. (?P<application>\w+)\((?P<data>.*)\) +\[[^\]]*\]$"
)


def contexts(text: str) -> dict[str, Context]:
    """Read `dialplan show`. Raises ValueError where a priority cannot be read."""
    found: dict[str, Context] = {}
    steps: list[Step] = []
    context = None
    for line in text.splitlines():
        if begins := _CONTEXT.match(line):
            context = found.setdefault(begins[1], Context(begins[1], begins[2]))
        elif context is None:
            continue
        elif included := _INCLUDE.match(line):
            context.includes.append(included[1].strip())
        elif step := _STEP.match(line):
            if step["extension"] is not None:
                steps = context.extensions.setdefault(step["extension"], [])
            steps.append(Step(step["application"], step["data"]))
        elif line.strip() and not line.startswith("-="):
            raise ValueError(f"a line of the dialplan that says something unknown: {line.strip()[:80]}")
    return found


def wanted_contexts(asterisk: Asterisk) -> set[str]:
    """Return the contexts that the dialplan must have, those of Asterisk's own modules aside."""
    return {
        *(ADMIT, NOWHERE, VERIFICATION),
        *(f"from-{trunk.name}" for trunk in asterisk.trunks),
        *(f"out-{tenant.name}" for tenant in asterisk.tenants),
    }


def reached(plan: Mapping[str, Context], start: str) -> list[str]:
    """Return the contexts that a call which begins in one may come to, that one first."""
    found = [start]
    for name in found:
        context = plan.get(name)
        if context is None:
            continue
        jumps = (s.data for steps in context.extensions.values() for s in steps if s.application in JUMPS)
        words = {word for data in jumps for word in re.findall(r"[\w-]+", data)}
        found += [each for each in (*context.includes, *sorted(words & set(plan))) if each not in found]
    return found


def harm(plan: Mapping[str, Context], start: str) -> list[str]:
    """Return what a call that begins in a context may come to and that could call somebody."""
    found = []
    for name in reached(plan, start):
        if name not in plan:
            found.append(f"{start} leads to {name}, which is nowhere in the dialplan")
            continue
        found += [
            f"{start} leads to {name} {extension}: {step}"
            for extension, steps in plan[name].extensions.items()
            for step in steps
            if step.application not in HARMLESS or _executes(step)
        ]
    return found


def _executes(step: Step) -> bool:
    """Say whether a step runs another application than one that is harmless."""
    run = re.findall(r"[?:](\w+)\(", step.data) if step.application == "ExecIf" else ()
    return any(each not in HARMLESS for each in run)


def limits(tenant: Tenant, trunk_limits: tuple[str, int, int]) -> set[str]:
    """Return what admits a call of a tenant over a trunk, as Gosub is told."""
    name, calls, per_minute = trunk_limits
    own = tenant.limits
    return {
        f"admit,s,1(trunk,{name},{calls},{per_minute})",
        f"admit,s,1(tenant,{tenant.name},{own.calls},{own.per_minute})",
    }


def unlimited(steps: Iterable[Step], tenant: Tenant, asterisk: Asterisk, trunk: str, ends: str) -> str | None:
    """Return which limit a call does not meet before it comes to an application, None where it meets all."""
    of_trunk = asterisk.trunk(trunk)
    assert of_trunk is not None
    before: list[Step] = []
    for step in steps:
        if step.application == ends:
            break
        before.append(step)
    admitted = {step.data for step in before if step.application == "Gosub"}
    most = of_trunk.limits
    if missing := limits(tenant, (trunk, most.calls, most.per_minute)) - admitted:
        return f"no {', '.join(sorted(missing))}"
    seconds = f"TIMEOUT(absolute)={min(tenant.limits.seconds, most.seconds)}"
    if seconds not in {step.data for step in before if step.application == "Set"}:
        return f"no {seconds}"
    return None


def recorded(steps: Iterable[Step], ends: str) -> list[str]:
    """Return the directories that a call is recorded in when it comes to an application."""
    before = takewhile(lambda step: step.application != ends, steps)
    return [step.data.partition("/$")[0] for step in before if step.application == "MixMonitor"]


def recorded_at(tenant: Tenant) -> list[str]:
    """Return where a tenant's calls must be recorded."""
    return [f"{RECORDINGS}/{tenant.name}"] if tenant.recording else []


def dialled(steps: Iterable[Step]) -> list[str]:
    """Return what an extension dials, in turn."""
    return [step.data.partition(",")[0] for step in steps if step.application == "Dial"]


def wanted_dialled(asterisk: Asterisk, route: Route) -> list[str]:
    """Return what a route must dial: the trunk's servers in turn, with the number as the trunk wants it."""
    trunk = asterisk.trunk(route.trunk)
    assert trunk is not None
    number = f"${{NUMBER:{route.strip}}}" if route.strip else "${NUMBER}"
    return [f"PJSIP/{route.prepend or ''}{number}@{line.name}" for line in lines_of(trunk)]


def wanted_extensions(asterisk: Asterisk, tenant: Tenant) -> set[str]:
    """Return what a tenant's own context must have, and nothing else."""
    named = {route.prefix for route in tenant.routes}
    barred = {each for route in tenant.routes for each in route.barred} - named
    return {
        *asterisk.emergency.numbers, REFUSED,
        *(f"_{each}!" for each in barred), *(f"_{route.prefix}." for route in tenant.routes),
    }  # fmt: skip
