"""What may be dialled, who answers and what is kept: what contradicts itself is refused with one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from declared import Declare, refused
from declared_telephony import DID, OTHER_DID, registering, route, telephony, tenant, trunk

from inventories.model import Emergency, Limits, Recording

Sentences = dict[str, tuple[Any, ...]]
"""By what is wrong: an inventory, and the sentences it is refused with."""


def with_tenant(**more: Any) -> Declare:
    """Return the declaration of telephony with a tenant like this."""
    return lambda: telephony(tenants=(tenant(**more),))


def with_route(prefix: str, **more: Any) -> Declare:
    """Return the declaration of telephony with a tenant that may dial so."""
    return lambda: telephony(tenants=(tenant(routes=(route(prefix, **more),)),))


TENANTS: Sentences = {
    "no such trunk": (
        with_tenant(trunk="dodco"),
        "edge1 asterisk.tenants[sales].trunk: no trunk is named dodco, wanted one of didco; correct the"
        " name, or add the trunk",
    ),
    "a tenant larger than its host": (
        with_tenant(limits=Limits(calls=26)),
        "edge1 asterisk.tenants[sales].limits.calls: 26 calls on a host that carries 25, wanted 25 or fewer;"
        " lower it, or raise calls of the host",
    ),
    "two tenants of one name": (
        lambda: telephony(tenants=(tenant(), tenant(dids=(OTHER_DID,)))),
        "edge1 asterisk.tenants[sales].name: two tenants are named sales, wanted a name of its own; rename"
        " one of the two",
    ),
    "a number at two tenants": (
        lambda: telephony(tenants=(tenant(), tenant("other"))),
        f"edge1 asterisk.tenants[other].dids: {DID} rings at sales already, wanted each number at one"
        " tenant; take it out of one of the two",
    ),
    "a number twice": (
        with_tenant(dids=(DID, DID)),
        f"edge1 asterisk.tenants[sales].dids: {DID} stands here twice, wanted each number once; take one out",
    ),
    "a recording that cannot be decoded": (
        lambda: telephony(
            trunks=(trunk(codecs=("g729",)),),
            tenants=(tenant(routes=(), recording=Recording(quota_mb=7000)),),
        ),
        "edge1 asterisk.tenants[sales].recording: didco speaks g729 only, which Asterisk passes on but"
        " cannot decode, wanted a codec that it can record: ulaw, alaw, g722, gsm; add one to"
        " trunks[didco].codecs, or take recording out",
    ),
    "a call out that cannot be recorded": (
        lambda: telephony(
            trunks=(trunk(codecs=("ulaw", "g729")), registering(codecs=("g729",))),
            tenants=(tenant(routes=(route(trunk="usco"),), recording=Recording(quota_mb=7000)),),
        ),
        "edge1 asterisk.tenants[sales].recording: usco speaks g729 only, which Asterisk passes on but cannot"
        " decode, wanted a codec that it can record: ulaw, alaw, g722, gsm; add one to trunks[usco].codecs,"
        " or take recording out",
    ),
    "no transcoder between two trunks": (
        lambda: telephony(
            trunks=(trunk(), registering(codecs=("g729",))), tenants=(tenant(routes=(route(trunk="usco"),)),)
        ),
        "edge1 asterisk.tenants[sales].routes[+44]: didco speaks ulaw, alaw, usco g729: Asterisk has no"
        " transcoder between them, wanted a codec that both have, or one of ulaw, alaw, g722, gsm on each"
        " side; add one to trunks[didco].codecs or trunks[usco].codecs",
    ),
    "a quota too small for its days": (
        with_tenant(recording=Recording(days=30, minutes_a_day=240, quota_mb=1000)),
        "edge1 asterisk.tenants[sales].recording.quota_mb: 1000 MiB, but 30 days of 240 minutes are 6592,"
        " wanted room for all days: else the oldest go sooner; raise it, or lower days or minutes_a_day",
    ),
    "recordings that fill the disk": (
        with_tenant(recording=Recording()),
        "edge1 asterisk.tenants: recordings may take 10240 MiB of a disk with 10240, wanted 7168 or less:"
        " the system needs the rest; lower the quotas, or give the host a larger disk (disk_mb)",
    ),
}
ROUTES: Sentences = {
    "no such trunk": (
        with_route("+44", trunk="nobody"),
        "edge1 asterisk.tenants[sales].routes[+44].trunk: no trunk is named nobody, wanted one of didco;"
        " correct the name, or add the trunk",
    ),
    "the same prefix twice": (
        with_tenant(routes=(route(), route())),
        "edge1 asterisk.tenants[sales].routes[+44]: the same prefix twice, wanted one route a prefix; take"
        " one of the two out",
    ),
    "an emergency number swallowed": (
        with_route("91"),
        "edge1 asterisk.tenants[sales].routes[91]: 911 begins so as well, which is an emergency number,"
        " wanted a prefix that no emergency number begins with; write more digits: +44 instead of 9",
    ),
    "half of the world": (
        with_route("+4"),
        "edge1 asterisk.tenants[sales].routes[+4]: +4 is no country: half of the world begins so, wanted a"
        " country or less, such as +44; write one route a country that the tenant calls",
    ),
    "every number abroad": (
        with_route("00"),
        "edge1 asterisk.tenants[sales].routes[00]: 00 is no country: half of the world begins so, wanted a"
        " country or less, such as +44; write one route a country that the tenant calls",
    ),
    "everything": (
        with_route("+"),
        "edge1 asterisk.tenants[sales].routes[0].prefix: '+' is not the beginning of numbers; write digits,"
        " with + where they are dialled so: +44; never everything",
    ),
    "numbers that cost": (
        with_route("+1900"),
        "edge1 asterisk.tenants[sales].routes[+1900]: numbers from +1900 on cost whoever calls them (premium"
        " or satellite), wanted numbers of usual cost; take the route out, or write premium=True where it"
        " is meant",
    ),
    "a prefix taken away": (
        with_route("+44", strip=3),
        "edge1 asterisk.tenants[sales].routes[+44].strip: 3 digits off takes the whole prefix away: the"
        " carrier would get any number, wanted fewer than 3, or what is put there instead; lower strip, or"
        " add prepend",
    ),
    "emergency numbers that nobody takes": (
        lambda: telephony(emergency=Emergency()),
        "edge1 asterisk.emergency: sales may dial, but nobody takes 112, 911, 999, wanted a trunk that does,"
        " or that they are refused; write Emergency(trunk=...), or Emergency(refused=True) and tell"
        " everybody who may dial",
    ),
    "emergency numbers routed and refused": (
        lambda: telephony(emergency=Emergency(trunk="didco", refused=True)),
        "edge1 asterisk.emergency: trunk and refused, wanted one of them; take one of the two out",
    ),
    "emergency numbers at no trunk": (
        lambda: telephony(emergency=Emergency(trunk="police")),
        "edge1 asterisk.emergency.trunk: no trunk is named police, wanted one of didco; correct the name,"
        " or add the trunk",
    ),
}
ALL = {
    f"{kind}: {name}": row
    for kind, rows in (("tenant", TENANTS), ("route", ROUTES))
    for name, row in rows.items()
}


@pytest.mark.parametrize("row", ALL.values(), ids=ALL)
def test_what_dialling_contradicts_itself_is_refused_with_its_sentence(row: Any) -> None:
    declare, *sentences = row
    assert refused(declare) == sentences
