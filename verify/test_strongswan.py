"""Tunnels as the host itself has them: the daemon, what it has loaded, and the SAs with each peer."""

from __future__ import annotations

import base64
import time
from typing import Any

from inventories.model import Host, Peer
from verify.both_ends import apart
from verify.checks import check
from verify.guideline import LEAST_SHARE, WARN_SHARE
from verify.observed import Observed
from verify.probes.certificate import Certificate, day, read_certificate
from verify.rest import restless, twice
from verify.snapshot import Snapshot
from verify.tunnels import (
    associations,
    children,
    identity,
    own_address,
    pairs,
    peers,
    remotes,
    strongswan,
    unreachable,
    userland,
    wanted_association,
    wanted_child,
)
from verify.verdict import exactly, fail, not_proven, same, warn

DEPLOY = "`invoke plan` shows what was changed by hand; `invoke deploy` takes it back."
CALLED = (
    "`swanctl --list-sas` and `journalctl -u strongswan` on the host say what the peer answered;"
    " compare both ends with `invoke peer`."
)
WAYS = "systemctl reload trunkline-tunnels brings the host's ways back, or `invoke deploy`."
ANSWERS = ("strongswan.daemon_answers",)
UP = ("strongswan.tunnels_are_up",)


def has_tunnels(host: Host) -> bool:
    """Say whether a host has tunnels."""
    return host.strongswan is not None


def has_certificates(host: Host) -> bool:
    """Say whether a peer proves itself by a certificate."""
    return any(peer.certificates for peer in peers(host))


@check(
    fault="strongswan-stopped",
    remedy="systemctl restart strongswan; journalctl -u strongswan says what it refuses.",
    applies=has_tunnels,
)
def test_daemon_answers(live: Snapshot, evidence: dict[str, Any]) -> None:
    if error := live.error("tunnels"):
        fail(error, "an answer on charon's socket")
    evidence["version"] = live["tunnels"]["version"]


@check(
    fault="strongswan-settings-by-hand",
    needs=ANSWERS,
    remedy="systemctl restart strongswan, when a few seconds without tunnels do no harm.",
    applies=has_tunnels,
)
def test_daemon_runs_its_present_settings(live: Snapshot) -> None:
    """swanctl's files are loaded without a restart; these are read at a start only."""
    unit = live.unit("strongswan.service")
    same(unit, {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"})
    if unit["newest"] and unit["changed"] and unit["newest"][0] > unit["changed"]:
        fail(f"{unit['newest'][1]} is newer than the daemon", "a daemon that has read it")


@check(
    fault=("connection-by-hand", "connection-undeclared"),
    needs=ANSWERS,
    remedy=DEPLOY,
    applies=has_tunnels,
)
def test_connections_are_exactly_the_declared(declared: Host, live: Snapshot) -> None:
    loaded = live["tunnels"]["connections"]
    exactly(loaded, [peer.name for peer in peers(declared)], of="loaded connection")
    for peer in peers(declared):
        held = loaded[peer.name]
        same(_told(held), _wanted(declared, peer))
        carried = [
            f"{local} to {remote}"
            for child in held.get("children", {}).values()
            for local in child["local-ts"]
            for remote in child["remote-ts"]
        ]
        exactly(carried, pairs(peer))
        if len(carried) != len(held["children"]):
            fail(f"{peer.name}: {len(held['children'])} children", f"one for each of {', '.join(carried)}")


def _told(held: dict[str, Any]) -> dict[str, Any]:
    ends = {f"{end} {key}": held.get(f"{end}-1", {}).get(key) for end in ("local", "remote")
            for key in ("id", "class")}  # fmt: skip
    return {key: held.get(key) for key in ("version", "remote_addrs", "dpd_delay", "unique")} | ends


def _wanted(host: Host, peer: Peer) -> dict[str, Any]:
    proof = "pre-shared key" if peer.psk else "public key"
    return {
        "version": "IKEv2", "remote_addrs": [str(peer.address) if peer.address else "%any"],
        "dpd_delay": str(peer.dpd_delay), "unique": "UNIQUE_REPLACE",
        "local id": identity(peer.own_id(host)), "remote id": identity(peer.id),
        "local class": proof, "remote class": proof,
    }  # fmt: skip


@check(
    fault=(
        "psk-wrong",
        "peer-id-other",
        "selectors-other",
    ),
    needs=(
        "strongswan.connections_are_exactly_the_declared",
        "strongswan.certificates_have_life_left",
        "strongswan.ike_takes_the_declared_proposal_and_no_weak_one",
        "firewall.kernel_admits_exactly_the_declared",
    ),
    remedy=CALLED,
    applies=has_tunnels,
)
def test_tunnels_are_up(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    wrong = {}
    for peer in peers(declared):
        found = associations(live["tunnels"], peer)
        carried = {child.selectors for child in children(live["tunnels"], peer)}
        evidence[peer.name] = {"IKE SAs": len(found), "carried": sorted(carried)}
        if not found:
            wrong[peer.name] = "no IKE SA stands: the peer does not answer, or refuses who we are"
        elif missing := sorted(set(pairs(peer)) - carried):
            wrong[peer.name] = f"nothing carries {'; '.join(missing)}, only {sorted(carried) or 'nothing'}"
    if wrong:
        fail(wrong, "an SA for each pair of networks")


@check(
    fault=("proposal-other", "reqid-shared"),
    needs=UP,
    remedy="Both ends agreed on something else than declared: compare them with `invoke peer`.",
    applies=has_tunnels,
)
def test_associations_are_as_declared(declared: Host, live: Snapshot) -> None:
    """Version, addresses, identities, algorithms and selectors as negotiated, UDP around all of it."""
    for peer in peers(declared):
        for each in associations(live["tunnels"], peer):
            same(each.held, wanted_association(declared, peer))
        for child in children(live["tunnels"], peer):
            same(child.held, wanted_child(peer, child))
        exactly({child.selectors for child in children(live["tunnels"], peer)}, pairs(peer))
    numbers = {(c.held["reqid"], c.selectors) for p in peers(declared) for c in children(live["tunnels"], p)}
    for number in {number for number, _ in numbers}:
        if len(sharing := sorted(selectors for its, selectors in numbers if its == number)) > 1:
            fail(f"{' and '.join(sharing)} share the reqid {number}", "a number of its own for each child")


@check(
    fault="duplicate-sas",
    needs=UP,
    remedy="swanctl --terminate --child-id N for the ones too many; both ends may be calling at once.",
    applies=has_tunnels,
)
def test_each_pair_of_networks_has_one_child(
    declared: Host, live: Snapshot, observed: Observed, evidence: dict[str, Any]
) -> None:
    """At both ends; where both called at once, the older SA ends ten seconds later: then there is one."""
    if many := twice(declared, live["tunnels"]):
        evidence["looked again"] = True
        if many := restless(declared, observed, many):
            fail(many, "one SA for each pair of networks, in one IKE SA")
    for peer in peers(declared):
        if said := apart(observed, declared, peer):
            fail(f"{peer.name}: {said}", "the same SAs at both ends")


@check(
    fault=("certificate-expiring", "peer-certificate-expired"),
    needs=ANSWERS,
    remedy="Issue new ones (`invoke secrets.certify`), give the peer its own, then `invoke deploy`.",
    applies=has_certificates,
)
def test_certificates_have_life_left(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    """Ours, the authority's, and the peers' as they showed them: a share of each one's lifetime."""
    known = tuple(
        read_certificate(base64.b64decode(each["data"]))
        for each in live["tunnels"]["certificates"]
        if each.get("type") == "X509"
    )
    short = []
    for name, held in _named(declared, known).items():
        if held is None:
            not_proven(f"the daemon has no certificate of {name}: it has not shown one yet", gates=False)
        share, text = held.share_left(time.time()), f"{name} ends {day(held.not_after)}"
        evidence[name] = f"{share:.0%} left, until {day(held.not_after)}"
        if share < LEAST_SHARE:
            fail(f"{text}: {share:.0%} of its life left", f"at least {LEAST_SHARE:.0%}")
        short += [f"{text}: {share:.0%} of its life left"] if share < WARN_SHARE else []
    if short:
        warn(short, f"at least {WARN_SHARE:.0%}")


def _named(host: Host, known: tuple[Certificate, ...]) -> dict[str, Certificate | None]:
    """Return the certificates that the tunnels live on, and who issued them.

    Of ours, which are loaded, the one that ends first; of a peer's, which were shown, the last one.
    """
    found: dict[str, Certificate | None] = {}
    for peer in (peer for peer in peers(host) if peer.certificates):
        own, its = identity(peer.own_id(host)), identity(peer.id)
        found[own] = min(_of(own, known), key=lambda each: each.not_after, default=None)
        found[its] = max(_of(its, known), key=lambda each: each.not_before, default=None)
    issuers = {each.issuer for each in found.values() if each}
    return found | {each.subject: each for each in known if each.subject in issuers}


def _of(name: str, known: tuple[Certificate, ...]) -> list[Certificate]:
    return [each for each in known if name in (*each.names, each.subject)]


@check(fault="tunnel-address-gone", remedy=WAYS, applies=has_tunnels)
def test_own_address_is_inside_the_tunnels(declared: Host, live: Snapshot) -> None:
    """The address stands where declared, with its network; on lo it is an address alone."""
    wanted = strongswan(declared).address
    if wanted is None:
        return
    link = live["paths"]["links"].get(strongswan(declared).interface)
    if link is None or not link["up"]:
        fail(
            f"{strongswan(declared).interface} is {'down' if link else 'not there'}",
            "an interface that is up",
        )
    text = f"{wanted.ip}/32" if strongswan(declared).interface == "lo" else str(wanted)
    if text not in link["addresses"]:
        fail(f"{strongswan(declared).interface} has {', '.join(link['addresses']) or 'no address'}", text)


@check(
    fault="tunnel-route-gone",
    needs=(*UP, "strongswan.own_address_is_inside_the_tunnels"),
    remedy=CALLED,
    applies=has_tunnels,
)
def test_routes_lead_into_the_tunnels(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    """What the kernel would do with a packet from this host's own address, not what a table lists."""
    evidence["ESP"] = "by strongSwan" if userland(live) else "by the kernel"
    for peer in peers(declared):
        for network in peer.remote:
            taken = live["paths"]["taken"][str(network[1] if network.num_addresses > 1 else network[0])]
            source = str(own_address(declared, peer))
            if userland(live) and taken.get("dev") != "ipsec0":
                fail(f"{network} from {source} by {taken.get('dev', taken.get('error'))}", "ipsec0")
            if not userland(live) and f"dst {network} " not in live["paths"]["policies"]:
                fail(f"no policy of the kernel protects {network}", f"one to {network}")


@check(
    fault="forwarding-off",
    needs=("sysctl.network_settings_hold",),
    remedy="sysctl -w net.ipv4.conf.INTERFACE.forwarding=1; a later program switched it off.",
    applies=has_tunnels,
)
def test_every_interface_forwards(declared: Host, live: Snapshot) -> None:
    links = {name: link for name, link in live["paths"]["links"].items() if link["up"] and name != "lo"}
    exactly([name for name, link in links.items() if not link["forwarding"]], [], of="interface without")


@check(fault="leak-route-gone", remedy=WAYS, applies=has_tunnels)
def test_remote_networks_are_unreachable_without_a_tunnel(declared: Host, live: Snapshot) -> None:
    """Userland ESP knows no trap: without this the default route would carry them in clear."""
    missing = sorted(str(network) for network in set(remotes(declared)) - unreachable(live))
    exactly(missing, [], of="network without an unreachable route")
