"""Links, addresses, routes and rules as ip(8) shows them, remembered and given back one by one."""

from __future__ import annotations

import json
import time
from typing import Any

from .command import run

_FAMILIES = ("-4", "-6")
_NOISE = ("linkdown", "dead", "offload", "trap", "notify", "pervasive", "rt_offload", "rt_trap")
_NOISE_PAIRS = ("expires", "error", "nhid")
_FOREIGN_TYPES = ("local", "broadcast", "anycast", "multicast")
# Table 220 is strongSwan's: its daemon owns every line of it.
_FOREIGN_TABLE = "table 220"
_FLAGS = ("nodad", "noprefixroute", "home", "autojoin")
_OURS = ("proto boot", "proto static")
State = dict[str, Any]


def remember() -> State:
    """The present state as JSON."""
    return {
        "links": _links(),
        "addresses": _addresses(),
        "routes": {family: _routes(family) for family in _FAMILIES},
        "rules": {family: _rules(family) for family in _FAMILIES},
    }


def give_back(before: State, patience: float) -> tuple[list[str], list[str]]:
    """Bring the remembered state back; tries again for `patience` seconds, as routes wait for links and
    addresses."""
    restored: list[str] = []
    end = time.monotonic() + patience
    while True:
        problems: list[str] = []
        for argv in steps(before, remember()):
            outcome = run(argv, 10)
            if outcome.ok:
                restored.append(" ".join(argv[1:] if argv[0] == "ip" else argv))
            else:
                problems.append(f"{' '.join(argv)}: {outcome.gist}")
        if not problems or time.monotonic() > end:
            return restored, problems
        time.sleep(0.5)


def steps(before: State, now: State) -> list[list[str]]:
    """The ip(8) commands that lead from `now` to `before`, in the order in which they can work."""
    present = set(now["links"])
    commands = _link_steps(before["links"], now["links"])
    commands += _address_steps(before["addresses"], now["addresses"], present, set(before["links"]))
    for family in _FAMILIES:
        commands += _rule_steps(family, before["rules"][family], now["rules"][family])
        commands += _route_steps(family, before["routes"][family], now["routes"][family], present)
    return commands


def _json(*words: str) -> list[dict[str, Any]]:
    outcome = run(["ip", "-j", *words], 10, whole=True)
    try:
        return [item for item in json.loads(outcome.output or "[]") if item]
    except ValueError:
        return []


def _lines(*words: str) -> list[str]:
    outcome = run(["ip", "-o", *words], 10, whole=True)
    return outcome.output.splitlines() if outcome.ok else []


def _links() -> dict[str, dict[str, Any]]:
    return {
        link["ifname"]: {"up": "UP" in link["flags"], "mtu": link["mtu"]} for link in _json("link", "show")
    }


def _addresses() -> list[list[str]]:
    found = []
    for link in _json("address", "show"):
        for item in link.get("addr_info", []):
            if item.get("temporary") or "local" not in item:
                continue
            words = [f"{item['local']}/{item['prefixlen']}"]
            if item.get("address"):
                words = [str(item["local"]), "peer", f"{item['address']}/{item['prefixlen']}"]
            if item.get("broadcast"):
                words += ["broadcast", str(item["broadcast"])]
            if item.get("label") not in (None, link["ifname"]):
                words += ["label", str(item["label"])]
            flags = [flag for flag in _FLAGS if item.get(flag)]
            # A lease's lifetime cannot be given back, but an address without one is better than none.
            kind = "dynamic" if item.get("dynamic") else "fixed"
            found.append(
                [str(link["ifname"]), kind, *words, "scope", str(item.get("scope", "global")), *flags]
            )
    return found


def _routes(family: str) -> list[str]:
    lines = []
    for line in _lines(family, "route", "show", "table", "all"):
        words = line.replace("\\", " ").split()
        kept, skip = [], False
        for word in words:
            if not skip and word not in _NOISE and word not in _NOISE_PAIRS:
                kept.append(word)
            skip = word in _NOISE_PAIRS
        text = " ".join(kept)
        if (
            kept
            and kept[0] not in _FOREIGN_TYPES
            and _FOREIGN_TABLE not in text
            and "table local" not in text
        ):
            lines.append(text)
    return sorted(lines)


def _rules(family: str) -> list[str]:
    lines = []
    for line in _lines(family, "rule", "show"):
        number, _, rest = line.partition(":")
        if rest and "lookup 220" not in rest and "lookup local" not in rest:
            lines.append(f"priority {number.strip()} {' '.join(rest.split())}")
    return sorted(lines)


def _link_steps(before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> list[list[str]]:
    commands = []
    for name, link in before.items():
        live = now.get(name)
        if live is None:
            continue
        if link["mtu"] != live["mtu"]:
            commands.append(["ip", "link", "set", "dev", name, "mtu", str(link["mtu"])])
        if link["up"] and not live["up"]:
            commands.append(["ip", "link", "set", "dev", name, "up"])
    return commands


def _address_steps(
    before: list[list[str]], now: list[list[str]], present: set[str], known: set[str]
) -> list[list[str]]:
    had, have = {_address(item) for item in before}, {_address(item) for item in now}
    extra = [item for item in now if _address(item) not in had and item[0] in known and item[1] == "fixed"]
    missing = [item for item in before if _address(item) not in have and item[0] in present]
    commands = [["ip", "address", "del", item[2], "dev", item[0]] for item in extra if "peer" not in item]
    return commands + [["ip", "address", "replace", *item[2:], "dev", item[0]] for item in missing]


def _address(item: list[str]) -> tuple[str, str]:
    return item[0], item[2]


def _rule_steps(family: str, before: list[str], now: list[str]) -> list[list[str]]:
    extra = [rule for rule in now if rule not in before]
    missing = [rule for rule in before if rule not in now]
    return [["ip", family, "rule", "del", *rule.split()] for rule in extra] + [
        ["ip", family, "rule", "add", *rule.split()] for rule in missing
    ]


def _route_steps(family: str, before: list[str], now: list[str], present: set[str]) -> list[list[str]]:
    extra = [route for route in now if route not in before and _added_by_hand(route)]
    missing = [route for route in before if route not in now and _device(route) in present | {""}]
    missing.sort(key=lambda route: " via " in route)
    # In IPv6 a replace would take the same network of another link (fe80::/64) away.
    verb = "replace" if family == "-4" else "append"
    return [["ip", family, "route", "del", *route.split()] for route in extra] + [
        ["ip", family, "route", verb, *route.split()] for route in missing
    ]


def _added_by_hand(route: str) -> bool:
    """Of the routes that are new, only these are taken away: the kernel, DHCP and daemons answer for
    theirs."""
    return " proto " not in f" {route} " or any(proto in route for proto in _OURS)


def _device(route: str) -> str:
    words = route.split()
    return words[words.index("dev") + 1] if "dev" in words[:-1] else ""
