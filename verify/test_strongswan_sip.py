"""SIP through a tunnel: who places calls in an office's PBX reaches it, be it the host or a container."""

from __future__ import annotations

from typing import Any

from inventories.model import Host
from verify.by_sip import Answer, BySip
from verify.checks import check
from verify.test_strongswan_traffic import COUNTED
from verify.tunnels import peers
from verify.verdict import fail, not_proven


def has_pbx(host: Host) -> bool:
    """Say whether a PBX is declared behind a tunnel."""
    return any(peer.sip for peer in peers(host))


@check(
    fault=("pbx-silent", "pbx-knows-nobody", "container-in-another-network"),
    needs=(
        COUNTED,
        "strongswan.each_pair_of_networks_has_one_child",
        "strongswan.nothing_passes_the_cable_in_clear",
        "compose.one_container_runs_each_service",
    ),
    remedy="Where the host is answered and a container is not, `invoke deploy` makes the container anew. Else"
    " look at the PBX: whether it runs, and whether it knows this side's address.",
    applies=has_pbx,
)
def test_sip_reaches_the_pbx_behind_each_peer(by_sip: tuple[BySip, ...], evidence: dict[str, Any]) -> None:
    """OPTIONS from the host and from within each container in its network; the PBX says whom it saw."""
    every = [answer for each in by_sip for answer in each.answers]
    for each in every:
        evidence[f"{each.place} to {each.peer}"] = each.unasked or _said(each)
    if wrong := [f"{each.place} hears {_said(each)} from {each.peer}" for each in every if not _well(each)]:
        fail(wrong, "200 from each PBX")
    for each in (each for each in every if not each.unasked):
        if each.seen_as != each.source:
            fail(f"{each.source} of {each.place} arrives at {each.peer} as {each.seen_as}", each.source)
    for its in by_sip:
        if its.uncounted:
            least = {key: f"{its.least[key]} or more" for key in its.uncounted}
            fail({f"answered by {its.peer}, counted by its SAs": its.uncounted}, least)
    if missing := [f"{each.place}: {each.unasked}" for each in every if each.unasked]:
        not_proven(f"nobody could ask from {', '.join(missing)}")


def _well(each: Answer) -> bool:
    return bool(each.unasked) or each.status == 200


def _said(each: Answer) -> str:
    return f"{each.status} {each.why}" if each.status else f"no answer ({each.why})"
