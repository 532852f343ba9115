"""The kernel's packet rules, read from what iptables-save(8) prints, and what they do with a packet.

The walk is three-valued: a condition that cannot be judged from the rule (a rate limit, a mark) may hold or
not, so a packet has the set of all fates it may meet.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from verify.packet import Condition, Packet

ENDS = frozenset({"ACCEPT", "DROP", "REJECT", "QUEUE", "NFQUEUE", "REDIRECT", "DNAT", "TPROXY"})
PASSES = frozenset({"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "TCPMSS", "TRACE", "AUDIT", ""})
NO_CONDITION = frozenset({"-m", "--match", "--comment", "--counters"})
OF_TARGET = re.compile(
    r"^--(log|reject|nflog|limit-burst|to-|set-|restore-|save-|queue-|clamp-|hashlimit-htable)"
)


@dataclass(frozen=True)
class Rule:
    """One rule: every condition must hold for its target to act."""

    text: str
    conditions: tuple[Condition, ...]
    target: str
    goes: bool = False
    """`-g`: a return from the target chain does not come back here."""


@dataclass(frozen=True)
class Chain:
    """A chain's rules, and the fate of a packet that none of them decides; None for one's own."""

    policy: str | None
    rules: tuple[Rule, ...]


Table = dict[str, Chain]


@lru_cache(maxsize=64)
def tables(saved: str) -> dict[str, Table]:
    """Read every table of iptables-save's output. Raises ValueError for a table that it could not show."""
    if "incompatible" in saved:
        raise ValueError(
            "rules stand in iptables' tables that iptables itself cannot show: see nft list ruleset"
        )
    found: dict[str, Table] = {}
    chains: dict[str, tuple[str | None, list[Rule]]] = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            chains = {}
            name = line[1:].strip()
        elif line.startswith(":"):
            chain, policy = line[1:].split()[:2]
            chains[chain] = (None if policy == "-" else policy, [])
        elif line.startswith("-A "):
            chain = line.split()[1]
            chains[chain][1].append(rule(line))
        elif line == "COMMIT":
            found[name] = {key: Chain(policy, tuple(rules)) for key, (policy, rules) in chains.items()}
    return found


def rule(line: str) -> Rule:
    """Read one `-A CHAIN ...` line."""
    words = (shlex.split(line) if '"' in line else line.split())[2:]  # shlex is fifty times slower
    conditions: list[Condition] = []
    target, goes, at, inverted = "", False, 0, False
    while at < len(words):
        option = words[at]
        end = at + 1
        while end < len(words) and not (words[end].startswith("-") or words[end] == "!"):
            end += 1
        values = tuple(words[at + 1 : end])
        if option == "!":
            inverted, at = True, at + 1
            continue
        if option in ("-j", "-g"):
            target, goes = values[0], option == "-g"
        elif option not in NO_CONDITION and not OF_TARGET.match(option):
            conditions.append(Condition(option, values, inverted))
        inverted, at = False, end
    return Rule(line, tuple(conditions), target, goes)


@dataclass(frozen=True)
class Fate:
    """What may become of a packet, and the rule that decides it (or the chain's policy)."""

    verdict: str
    by: str


def fates(table: Table, chain: str, packet: Packet) -> tuple[Fate, ...]:
    """Return every fate that a packet may meet in a built-in chain; a chain that does not exist accepts."""
    if chain not in table:
        return (Fate("ACCEPT", f"there is no chain {chain}"),)
    ended, through = _walk(table, chain, packet, 0)
    if through:
        policy = table[chain].policy or "ACCEPT"
        ended.append(Fate(policy, f"policy of {chain}"))
    return tuple(dict.fromkeys(ended))


def _walk(table: Table, chain: str, packet: Packet, depth: int) -> tuple[list[Fate], bool]:
    """Return the fates met in a chain, and whether the packet may come out at its end."""
    ended: list[Fate] = []
    if depth > 30 or chain not in table:
        return [Fate("UNKNOWN", f"target {chain}")], True
    for each in table[chain].rules:
        held = _holds(each, packet)
        if held is False or each.target in PASSES:
            continue
        if each.target in ENDS:
            ended.append(Fate(each.target, each.text))
            through = False
        elif each.target == "RETURN":
            if held:
                return ended, True
            continue
        else:
            met, through = _walk(table, each.target, packet, depth + 1)
            ended += met
            if each.goes and held and through:
                return ended, True
        if held and not through:
            return ended, False
    return ended, True


def _holds(each: Rule, packet: Packet) -> bool | None:
    unknown = False
    for condition in each.conditions:
        held = condition.holds(packet)
        if held is False:
            return False
        unknown = unknown or held is None
    return None if unknown else True


def mentioned(table: Table, *options: str) -> Iterator[str]:
    """Yield the values of some options, over all rules of a table."""
    for chain in table.values():
        for each in chain.rules:
            yield from (c.values[0] for c in each.conditions if c.option in options and c.values)


def canonical(line: str) -> str:
    """Return a rule so that the same rule in UFW's file and in the kernel reads the same."""
    found = rule(line)
    parts = sorted(f"{'! ' * c.inverted}{c.option} {' '.join(_plain(c))}".strip() for c in found.conditions)
    return " ".join((*parts, "-j", found.target))


def _plain(condition: Condition) -> tuple[str, ...]:
    if condition.option in ("-s", "-d"):
        return (str(ip_network(condition.values[0], strict=False)),)
    return condition.values
