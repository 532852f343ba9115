"""Tunnels that are disturbed on purpose: keys renewed, the peer crashed, strangers with its name."""

from __future__ import annotations

from typing import Any

from inventories.model import Host
from verify import outage
from verify.checks import check
from verify.collector import collect
from verify.observed import Observed
from verify.outage import Outage
from verify.test_strongswan import has_tunnels
from verify.test_strongswan_traffic import answered
from verify.tunnels import peers
from verify.verdict import exactly, fail, not_proven, warn

CARRIED = ("strongswan.counters_rise_by_what_is_sent", "strongswan.each_pair_of_networks_has_one_child")
CLEAN = "strongswan.nothing_passes_the_cable_in_clear"
ALONE = "strongswan.who_cannot_prove_to_be_the_peer_is_refused"
"""Who is let in with another key takes the peer's place: that peer then neither renews nor comes back."""
SOON = 20.0
"""Seconds after which a peer that crashed must have been missed."""
AT_ONCE = 10.0
"""Seconds after which one that is back must carry again."""
TOLERATED = 2
"""Pings of a renewal that may be lost: old and new SAs overlap (RFC 7296, section 2.8)."""


@check(
    fault="pfs-one-sided",
    disruptive=True,
    needs=(*CARRIED, ALONE),
    remedy="PFS and its group must be the same on both ends: `invoke peer` shows what the console must say.",
    applies=has_tunnels,
)
def test_keys_are_renewed_while_packets_pass(
    declared: Host, observed: Observed, evidence: dict[str, Any]
) -> None:
    """The daemon calls a failed renewal completed: other SPIs and packets counted on them are proof."""
    for each in collect(observed.connection(declared), observed.environment, "renewal")["renewal"]:
        evidence[each["peer"]] = {key: each[key] for key in ("sent", "lost", "carried", "after")}
        for kind in ("children", "ike"):
            if not each[f"{kind} renewed"]:
                fail(f"{each['peer']}: the keys of {_called(kind)} were not renewed", "other SPIs in use")
        carried = each["carried"]
        if carried and not 0 < carried["answered"] <= min(carried.values()):
            fail(f"{each['peer']} after the renewal: {carried}", "the new SAs carry what is sent")
        if each["lost"] > TOLERATED:
            warn(f"{each['lost']} of {each['sent']} pings lost while keys were renewed", "none")


def _called(kind: str) -> str:
    return "IKE" if kind == "ike" else "ESP"


@check(
    fault="retransmission-by-default",
    disruptive=True,
    needs=(*CARRIED, CLEAN, ALONE),
    remedy="Compare charon.retransmit_* in /etc/strongswan.d/trunkline.conf, dpd_delay and dpd_action.",
    applies=answered,
)
def test_crashed_peer_is_missed_and_called_again(
    declared: Host, observed: Observed, evidence: dict[str, Any]
) -> None:
    for each in _outages(observed, declared):
        evidence[each.peer] = {"seconds until missed": each.noticed, "seconds until back": each.back}
        if each.noticed is None or each.noticed > SOON:
            fail(
                f"{each.peer} crashed and was missed after {each.noticed or 'more than 30'} s", f"{SOON:g} s"
            )
        if each.back is None or each.back > AT_ONCE:
            fail(f"{each.peer} came back and carried after {each.back or 'more than 30'} s", f"{AT_ONCE:g} s")


@check(
    fault="leaks-while-down",
    disruptive=True,
    needs=(*CARRIED, CLEAN, ALONE, "strongswan.remote_networks_are_unreachable_without_a_tunnel"),
    remedy="With the tunnel down another way takes over: `ip route get ADDRESS` on the host names it.",
    applies=answered,
)
def test_nothing_leaks_while_a_tunnel_is_down(
    declared: Host, observed: Observed, evidence: dict[str, Any]
) -> None:
    for each in _outages(observed, declared):
        evidence[each.peer] = {key: each.cable[key] for key in ("clear", "protected", "other")}
        if each.cable["clear"]:
            fail(f"in clear with {each.peer} down: {'; '.join(each.cable['examples'])}", "nothing")
        if not each.cable["protected"] + each.cable["other"]:
            not_proven("the watcher saw nothing at all on the host's cable")


def _outages(observed: Observed, declared: Host) -> tuple[Outage, ...]:
    return observed.get("outages", declared, outage.outages)


@check(
    fault="guessable-key-by-hand",
    disruptive=True,
    needs=("strongswan.tunnels_are_up",),
    remedy="`swanctl --list-conns` and the files in /etc/swanctl/conf.d: a secret nobody declared is loaded.",
    applies=has_tunnels,
)
def test_who_cannot_prove_to_be_the_peer_is_refused(declared: Host, observed: Observed) -> None:
    """Another key, the one that is guessed first, an expired certificate."""
    assert peers(declared)
    exactly(list(outage.imposed(observed, declared)), [], of="tunnel of somebody else")
