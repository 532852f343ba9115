"""What numbers, tenants, routes and recordings of a telephone exchange may not contradict."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from inventories.model.problem import Problem
from inventories.model.tenant import PREMIUM, Route, Tenant, mebibytes
from inventories.model.trunk import TRANSCODED, Trunk

if TYPE_CHECKING:
    from inventories.model.asterisk import Asterisk
    from inventories.model.host import Host

SHARE = 0.7
"""How much of the disk recordings may take; the rest is the system's, its logs' and its updates'."""


def lint_dialling(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    """Yield every contradiction between tenants, numbers, routes, recordings and trunks of one host."""
    for tenant in asterisk.tenants:
        yield from _tenant(asterisk, host, tenant)
        yield from _codecs(asterisk, host, tenant)
        for route in tenant.routes:
            yield from _route(asterisk, host, tenant, route)
    for one, two in combinations(asterisk.tenants, 2):
        yield from _between(asterisk, host, one, two)
    yield from _unmapped(asterisk, host)
    yield from _emergency(asterisk, host)
    yield from _recordings(asterisk, host)


def _place(tenant: Tenant, field: str) -> str:
    return f"tenants[{tenant.name}].{field}"


def _no_trunk(asterisk: Asterisk, host: Host, field: str, name: str) -> Problem:
    return asterisk.problem(
        host,
        field,
        f"no trunk is named {name}",
        f"one of {', '.join(trunk.name for trunk in asterisk.trunks)}",
        "correct the name, or add the trunk",
    )


def _tenant(asterisk: Asterisk, host: Host, tenant: Tenant) -> Iterator[Problem]:
    if asterisk.trunk(tenant.trunk) is None:
        yield _no_trunk(asterisk, host, _place(tenant, "trunk"), tenant.trunk)
    if tenant.limits.calls > asterisk.calls:
        yield asterisk.problem(
            host,
            _place(tenant, "limits.calls"),
            f"{tenant.limits.calls} calls on a host that carries {asterisk.calls}",
            f"{asterisk.calls} or fewer",
            "lower it, or raise calls of the host",
        )
    for did in sorted({did for did in tenant.dids if tenant.dids.count(did) > 1}):
        yield asterisk.problem(
            host, _place(tenant, "dids"), f"{did} stands here twice", "each number once", "take one out"
        )
    for one, two in combinations(tenant.routes, 2):
        if one.prefix == two.prefix:
            yield asterisk.problem(
                host,
                _place(tenant, f"routes[{two.prefix}]"),
                "the same prefix twice",
                "one route a prefix",
                "take one of the two out",
            )


def _codecs(asterisk: Asterisk, host: Host, tenant: Tenant) -> Iterator[Problem]:
    """Yield calls that Asterisk would have to transcode with a codec that it has not."""
    trunk = asterisk.trunk(tenant.trunk)
    if trunk is None:
        return
    yield from _undecodable(asterisk, host, tenant)
    for route in tenant.routes:
        out = asterisk.trunk(route.trunk)
        if out is None or set(out.codecs) & set(trunk.codecs):
            continue
        if not (_can_transcode(out) and _can_transcode(trunk)):
            yield asterisk.problem(
                host,
                _place(tenant, f"routes[{route.prefix}]"),
                f"{trunk.name} speaks {', '.join(trunk.codecs)}, {out.name} {', '.join(out.codecs)}: Asterisk"
                " has no transcoder between them",
                f"a codec that both have, or one of {', '.join(TRANSCODED)} on each side",
                f"add one to trunks[{trunk.name}].codecs or trunks[{out.name}].codecs",
            )


def _undecodable(asterisk: Asterisk, host: Host, tenant: Tenant) -> Iterator[Problem]:
    """Yield the trunks, of calls in and out, whose voices could not be recorded."""
    names = dict.fromkeys((tenant.trunk, *(route.trunk for route in tenant.routes)))
    for trunk in (asterisk.trunk(name) for name in names) if tenant.recording else ():
        if trunk is not None and not _can_transcode(trunk):
            yield asterisk.problem(
                host,
                _place(tenant, "recording"),
                f"{trunk.name} speaks {', '.join(trunk.codecs)} only, which Asterisk passes on but cannot"
                " decode",
                f"a codec that it can record: {', '.join(TRANSCODED)}",
                f"add one to trunks[{trunk.name}].codecs, or take recording out",
            )


def _can_transcode(trunk: Trunk) -> bool:
    return bool(set(trunk.codecs) & set(TRANSCODED))


def _route(asterisk: Asterisk, host: Host, tenant: Tenant, route: Route) -> Iterator[Problem]:
    place = _place(tenant, f"routes[{route.prefix}]")
    if asterisk.trunk(route.trunk) is None:
        yield _no_trunk(asterisk, host, f"{place}.trunk", route.trunk)
    for number in asterisk.emergency.numbers:
        if number.startswith(route.prefix):
            yield asterisk.problem(
                host,
                place,
                f"{number} begins so as well, which is an emergency number",
                "a prefix that no emergency number begins with",
                "write more digits: +44 instead of 9",
            )
    if route.is_everything:
        yield asterisk.problem(
            host,
            place,
            f"{route.prefix} is no country: half of the world begins so",
            "a country or less, such as +44",
            "write one route a country that the tenant calls",
        )
    named = next((each for each in PREMIUM if route.prefix.startswith(each)), None)
    if named and not route.premium:
        yield asterisk.problem(
            host,
            place,
            f"numbers from {named} on cost whoever calls them (premium or satellite)",
            "numbers of usual cost",
            "take the route out, or write premium=True where it is meant",
        )
    if route.strip >= len(route.prefix) and route.prepend is None:
        yield asterisk.problem(
            host,
            f"{place}.strip",
            f"{route.strip} digits off takes the whole prefix away: the carrier would get any number",
            f"fewer than {len(route.prefix)}, or what is put there instead",
            "lower strip, or add prepend",
        )


def _between(asterisk: Asterisk, host: Host, one: Tenant, two: Tenant) -> Iterator[Problem]:
    if one.name == two.name:
        yield asterisk.problem(
            host,
            _place(two, "name"),
            f"two tenants are named {two.name}",
            "a name of its own",
            "rename one of the two",
        )
    for did in two.dids:
        if one.trunk == two.trunk and did in one.dids:
            yield asterisk.problem(
                host,
                _place(two, "dids"),
                f"{did} rings at {one.name} already",
                "each number at one tenant",
                "take it out of one of the two",
            )


def _unmapped(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    """Yield numbers that a trunk brings and that ring nowhere."""
    for trunk in asterisk.trunks:
        rings = {did for tenant in asterisk.tenants if tenant.trunk == trunk.name for did in tenant.dids}
        for did in trunk.numbers:
            if did not in rings:
                yield asterisk.problem(
                    host,
                    f"trunks[{trunk.name}].numbers",
                    f"{did} rings nowhere",
                    "a tenant for each number that the trunk brings",
                    "add it to the dids of a tenant, or take it out",
                )
        for did in sorted(rings - set(trunk.numbers)) if trunk.numbers else ():
            yield asterisk.problem(
                host,
                f"trunks[{trunk.name}].numbers",
                f"{did} of a tenant is not among them: nobody brings it",
                "each number that rings",
                "add it, or take it out of the tenant's dids",
            )


def _emergency(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    emergency, dials = asterisk.emergency, [tenant for tenant in asterisk.tenants if tenant.routes]
    numbers = ", ".join(emergency.numbers)
    if emergency.trunk is not None and asterisk.trunk(emergency.trunk) is None:
        yield _no_trunk(asterisk, host, "emergency.trunk", emergency.trunk)
    if emergency.trunk is None and not emergency.refused and dials:
        yield asterisk.problem(
            host,
            "emergency",
            f"{dials[0].name} may dial, but nobody takes {numbers}",
            "a trunk that does, or that they are refused",
            "write Emergency(trunk=...), or Emergency(refused=True) and tell everybody who may dial",
        )
    if emergency.trunk is not None and emergency.refused:
        yield asterisk.problem(
            host, "emergency", "trunk and refused", "one of them", "take one of the two out"
        )


def _recordings(asterisk: Asterisk, host: Host) -> Iterator[Problem]:
    kept = [(tenant, tenant.recording) for tenant in asterisk.tenants if tenant.recording]
    for tenant, recording in kept:
        needed = mebibytes(recording.days * recording.minutes_a_day)
        if needed > recording.quota_mb:
            yield asterisk.problem(
                host,
                _place(tenant, "recording.quota_mb"),
                f"{recording.quota_mb} MiB, but {recording.days} days of {recording.minutes_a_day} minutes"
                f" are {needed}",
                "room for all days: else the oldest go sooner",
                "raise it, or lower days or minutes_a_day",
            )
    total, room = sum(recording.quota_mb for _, recording in kept), int(host.disk_mb * SHARE)
    if total > room:
        yield asterisk.problem(
            host,
            "tenants",
            f"recordings may take {total} MiB of a disk with {host.disk_mb}",
            f"{room} or less: the system needs the rest",
            "lower the quotas, or give the host a larger disk (disk_mb)",
        )
