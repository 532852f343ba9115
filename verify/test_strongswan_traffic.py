"""Tunnels as what goes through them shows: it arrives whole, untranslated, and never in clear."""

from __future__ import annotations

from typing import Any

from inventories.model import Host
from verify import crossing, far
from verify.checks import check
from verify.crossing import Arrival, offer
from verify.observed import Observed
from verify.snapshot import Snapshot
from verify.tunnels import TABLE, drops, members, peers, remotes, strongswan
from verify.verdict import NotProven, exactly, fail, not_proven, warn

UP = "strongswan.tunnels_are_up"
AS_DECLARED = "strongswan.associations_are_as_declared"
ROUTED = "strongswan.routes_lead_into_the_tunnels"
HEARD = "strongswan.somebody_behind_each_peer_answers"
COUNTED = "strongswan.counters_rise_by_what_is_sent"
REACHED = "strongswan.neighbours_reach_the_far_side"
WAYS = "systemctl reload trunkline-tunnels brings the host's rules back, or `invoke deploy`."
FAR = "Look on the far side: the gateway's firewall rules, its routes, and whether the one asked is on."
TCP_AND_IP = 40
"""Bytes of both headers: what an MSS is smaller than an MTU (RFC 9293, section 3.7.1)."""
LEAST_MSS = 536
"""What everybody takes (RFC 9293, section 3.7.1)."""


def answered(host: Host) -> bool:
    """Say whether somebody is declared to answer behind each peer."""
    return any(peer.answers for peer in peers(host))


@check(fault="far-side-silent", needs=(UP, AS_DECLARED, ROUTED), remedy=FAR, applies=answered)
def test_somebody_behind_each_peer_answers(through: list[dict[str, Any]], evidence: dict[str, Any]) -> None:
    lost = []
    for each in through:
        evidence[each["peer"]] = f"{each['answered']} of {each['sent']} answered"
        if not each["answered"]:
            fail(f"nobody behind {each['peer']} answers", f"answers to {each['sent']} pings")
        if each["answered"] < each["sent"]:
            lost.append(f"{each['sent'] - each['answered']} of {each['sent']} by {each['peer']}")
    if lost:
        warn(f"lost: {', '.join(lost)}", "every ping answered")


@check(fault="answered-by-another", needs=(HEARD,), remedy=FAR, applies=answered)
def test_counters_rise_by_what_is_sent(through: list[dict[str, Any]], evidence: dict[str, Any]) -> None:
    """An answer proves a tunnel only when the SAs have counted it, both ways."""
    for each in through:
        rose = evidence[each["peer"]] = each["rose"]
        least = {"packets-out": each["sent"], "bytes-out": each["bytes"], "packets-in": each["answered"],
                 "bytes-in": each["bytes"] * each["answered"] // each["sent"]}  # fmt: skip
        if short := {key: rose[key] for key in least if rose[key] < least[key]}:
            fail({each["peer"]: short}, {key: f"{least[key]} or more" for key in short})


@check(fault="tunnel-mtu-other", needs=(COUNTED,), remedy=WAYS, applies=answered)
def test_packets_of_the_declared_size_fit(declared: Host, through: list[dict[str, Any]]) -> None:
    """Whole, and none larger: who is told of a smaller size than the path has sends for nothing."""
    mtu = strongswan(declared).mtu
    for each in through:
        if not each["fits"]:
            fail(f"{mtu} bytes do not get through to {each['peer']} whole", f"exactly {mtu} do")
        if each["larger fits"]:
            fail(f"{mtu + 1} bytes get through to {each['peer']} whole", f"exactly {mtu} do")
        if each["limit"] not in (None, mtu):
            fail(f"senders are told of {each['limit']} bytes to {each['peer']}", f"{mtu}")


@check(
    fault="neighbour-cut-off",
    needs=(
        "strongswan.packets_of_the_declared_size_fit",
        "firewall.nothing_is_forwarded_undeclared",
        "strongswan.every_interface_forwards",
    ),
    remedy="Its route to the far side must lead to this host; `ip neigh` and `ip route get` say how.",
    applies=lambda host: answered(host) and far.has_private_network(host),
)
def test_neighbours_reach_the_far_side(declared: Host, observed: Observed, evidence: dict[str, Any]) -> None:
    vantage, mtu = far.neighbour(observed, declared), strongswan(declared).mtu
    for peer in (peer for peer in peers(declared) if peer.answers):
        if not vantage.probe("ping", str(peer.answers))["answers"]:
            fail(f"{vantage.name} hears nothing of {peer.answers} behind {peer.name}", "an answer")
        whole = ("--whole", "--timeout", "1", "--size")
        if not vantage.probe("ping", str(peer.answers), *whole, str(mtu))["answers"]:
            fail(f"{mtu} bytes from {vantage.name} do not get through whole", f"exactly {mtu} do")
        larger = vantage.probe("ping", str(peer.answers), *whole, str(mtu + 1))
        evidence[f"{vantage.name} is told of"] = larger["limit"]
        if larger["answers"] or larger["limit"] not in (None, mtu):
            fail(f"{mtu + 1} bytes from {vantage.name}: {larger}", f"refused with the size {mtu}")


@check(
    fault="translated-into-the-tunnel", needs=(COUNTED, REACHED), remedy=WAYS, applies=answered
)  # fmt: skip
def test_sources_arrive_untranslated(arrivals: tuple[Arrival, ...], evidence: dict[str, Any]) -> None:
    for each in arrivals:
        evidence[f"{each.sender} to {each.peer}"] = each.source
        if not each.source:
            not_proven(f"no connection from {each.sender} arrived behind {each.peer}", remedy=FAR)
        if each.source != each.sender:
            fail(f"{each.sender} arrives behind {each.peer} as {each.source}", each.sender)


@check(fault="mss-clamp-lost", needs=(COUNTED,), remedy=WAYS, applies=answered)
def test_segments_are_clamped_to_fit(
    declared: Host, live: Snapshot, observed: Observed, evidence: dict[str, Any]
) -> None:
    """What a segment tells where it arrives, and the kernel's rules, which can be seen everywhere."""
    largest, unseen = strongswan(declared).mtu - TCP_AND_IP, None
    try:
        arrived = observed.get("arrivals", declared, crossing.arrivals)
    except NotProven as nowhere:
        arrived, unseen = (), nowhere
    for each in (each for each in arrived if each.source):
        evidence[f"{each.sender} to {each.peer}"] = each.mss
        if each.mss is None or not LEAST_MSS <= each.mss <= largest:
            fail(f"MSS {each.mss or 'not told'} from {each.sender} to {each.peer}", f"{largest} at most")
    rules = [item["rule"] for item in live["nft"] if "rule" in item]
    chains = {rule["chain"] for rule in rules if rule["table"] == TABLE[1] and _clamps(rule["expr"], largest)}
    if len(chains) < 2:
        clamped = ", ".join(sorted(chains)) or "no chain"
        fail(f"rules clamp in {clamped}", "what is sent and what is passed on")
    if unseen:
        raise unseen


def _clamps(expressions: list[dict[str, Any]], largest: int) -> bool:
    mangled = [part["mangle"] for part in expressions if "mangle" in part]
    return any("tcp option" in each["key"] and each["value"] == largest for each in mangled)


@check(fault="leak-drop-gone", remedy=WAYS, applies=lambda host: host.strongswan is not None)
def test_what_belongs_into_a_tunnel_is_dropped_elsewhere(declared: Host, live: Snapshot) -> None:
    """Rules of the kernel itself, whatever does ESP: for what is sent, what is passed on, what comes in."""
    ruleset = live["nft"]
    exactly(map(str, members(ruleset, "remote")), map(str, remotes(declared)))
    hooks = {hook for hook, expressions in drops(ruleset) if "@remote" in str(expressions)}
    exactly(hooks, {"prerouting", "output", "forward"})


@check(
    fault="sent-in-clear",
    needs=(COUNTED, "strongswan.what_belongs_into_a_tunnel_is_dropped_elsewhere"),
    remedy="Find who sends it: `ip rule`, `ip route show table all`, `nft list ruleset`; "
    + WAYS[0].lower() + WAYS[1:],
    applies=answered,
)  # fmt: skip
def test_nothing_passes_the_cable_in_clear(
    declared: Host, on_the_cable: dict[str, Any], evidence: dict[str, Any]
) -> None:
    evidence.update({key: on_the_cable[key] for key in ("clear", "protected", "other")})
    if on_the_cable["clear"]:
        fail(f"in clear: {'; '.join(on_the_cable['examples'])}", "only ESP on the host's cable")
    if not on_the_cable["protected"]:
        not_proven("the watcher saw not even ESP on the host's cable")


@check(
    fault=("weak-proposal-by-hand", "encapsulation-not-forced", "strong-proposal-lost"),
    needs=("strongswan.connections_are_exactly_the_declared", "firewall.kernel_admits_exactly_the_declared"),
    remedy="Compare `proposals` in /etc/swanctl/conf.d with the inventory; `invoke deploy` takes it back.",
    applies=lambda host: host.strongswan is not None,
)
def test_ike_takes_the_declared_proposal_and_no_weak_one(
    declared: Host, introductions: dict[str, list[dict[str, Any]]], evidence: dict[str, Any]
) -> None:
    """From where each peer calls, on both ports; and whoever is no peer hears nothing at all."""
    for name, answers in introductions.items():
        evidence[name] = sorted({f"{each['port']} {each['verdict']}" for each in answers})
    for peer in peers(declared):
        for each in introductions[peer.name]:
            offered = each["asked"] == offer(peer)
            if (each["verdict"] == "accepted") is not offered:
                seen = f"{each['verdict']} {each['notify']}".strip()
                fail(f"{each['asked']} from {peer.name} on port {each['port']}: {seen}",
                     "accepted" if offered else "refused, or not heard")  # fmt: skip
            if offered and each["nat_there"] is False:
                fail(f"{peer.name} is told of no NAT: ESP would come without UDP around it", "encap = yes")
    loud = [each for each in introductions.get("stranger", ()) if each["verdict"] not in ("silent", "closed")]
    if loud and all(peer.address for peer in peers(declared)):
        fail(f"a stranger hears {loud[0]['verdict']} on port {loud[0]['port']}", "nothing")
