"""Tunnels as the daemon has them, and what the kernel does with what they carry."""

from __future__ import annotations

import json
from typing import Any

from verify.on_host.section import Request, said, section, text
from verify.on_host.vici import Vici
from verify.probes.ping import Echo, echo

PINGS = 10
BYTES = 1000


@section("tunnels")
def tunnels(request: Request) -> dict[str, Any] | None:
    """Return the loaded connections, the security associations, and the certificates the daemon knows."""
    if not request.get("tunnels"):
        return None
    with Vici() as vici:
        return {
            "version": vici.ask("version").get("version", ""),
            "connections": _merged(vici.listed("list-conns", "list-conn")),
            "associations": associations(vici),
            "certificates": vici.listed("list-certs", "list-cert"),
        }


def associations(vici: Vici) -> list[dict[str, Any]]:
    """Return each IKE SA with its name, and its child SAs as a list."""
    found = []
    for event in vici.listed("list-sas", "list-sa"):
        for name, each in event.items():
            found.append({**each, "name": name, "child-sas": list(each.get("child-sas", {}).values())})
    return found


def _merged(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: each for event in events for name, each in event.items()}


@section("paths")
def paths(request: Request) -> dict[str, Any] | None:
    """Return addresses, MTUs, routes of all tables, rules, forwarding of each interface, looked-up routes."""
    if not request.get("tunnels"):
        return None
    links = json.loads(said("ip", "-j", "address"))
    return {
        "links": {
            each["ifname"]: {
                "up": "UP" in each["flags"],
                "mtu": each["mtu"],
                "forwarding": _forwarding(each["ifname"]),
                "addresses": [
                    f"{its['local']}/{its['prefixlen']}"
                    for its in each["addr_info"]
                    if its["family"] == "inet"
                ],
            }
            for each in links
        },
        "routes": json.loads(said("ip", "-j", "-4", "route", "show", "table", "all") or "[]"),
        "rules": json.loads(said("ip", "-j", "-4", "rule") or "[]"),
        "policies": said("ip", "xfrm", "policy", accept=(0, 1, 2)),
        "taken": {to: _taken(each["source"], to) for each in request["tunnels"] for to in each["to"]},
    }


def _forwarding(link: str) -> bool:
    return text(f"/proc/sys/net/ipv4/conf/{link}/forwarding").strip() == "1"


def _taken(source: str, to: str) -> dict[str, Any]:
    """Return the route that a packet of this host would take now."""
    try:
        found: list[dict[str, Any]] = json.loads(said("ip", "-j", "route", "get", to, "from", source))
    except RuntimeError as error:
        return {"error": str(error)}
    return found[0] if found else {}


@section("through")
def through(request: Request) -> list[dict[str, Any]]:
    """Ping who answers behind each tunnel, from this host's own address in it; count what the SAs carried."""
    return [_through(each) for each in request["tunnels"] if each["answers"]]


def _through(asked: dict[str, Any]) -> dict[str, Any]:
    before = counters(asked["peer"])
    heard = [pinged(asked) for _ in range(PINGS)]
    after = counters(asked["peer"])
    fits, larger = (pinged(asked, asked["mtu"] + more, whole=True) for more in (0, 1))
    return {
        "peer": asked["peer"],
        "sent": PINGS,
        "bytes": BYTES * PINGS,
        "answered": sum(one.seconds is not None for one in heard),
        "rose": {key: after[key] - before[key] for key in after},
        "fits": fits.seconds is not None,
        "larger fits": larger.seconds is not None,
        "limit": larger.limit,
    }


def pinged(asked: dict[str, Any], size: int = BYTES, *, whole: bool = False) -> Echo:
    """Ask for an echo; a host that knows no way hears none."""
    try:
        return echo(asked["answers"], source=asked["source"], size=size, whole=whole, tries=1, timeout=1.5)
    except OSError:
        return Echo()


def counters(peer: str) -> dict[str, int]:
    """Return what all child SAs of a peer have carried."""
    with Vici() as vici:
        children = [c for each in associations(vici) if each["name"] == peer for c in each["child-sas"]]
    keys = ("packets-in", "packets-out", "bytes-in", "bytes-out")
    return {key: sum(int(child.get(key, 0)) for child in children) for key in keys}
