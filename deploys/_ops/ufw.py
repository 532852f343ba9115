"""UFW's rules as UFW itself writes them: the files are the truth, reconciled to exactly the openings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inventories.model import Forward, Network, Opening

Version = Literal[4, 6]
EVERYONE = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True)
class Rule:
    """One admission: UFW's own note of it (`tuple`), its rule, and the same for a container's port."""

    note: str
    rule: str
    published: str


def rules(openings: Sequence[Opening], version: Version) -> list[Rule]:
    """Return the rules of one address family, each admission once, in the order of the openings."""
    found: dict[str, Rule] = {}
    for opening in openings:
        sources: Sequence[Network | None] = opening.sources_of(version) or ([] if opening.sources else [None])
        for source in sources:
            rule = _admission(opening, source, version)
            found.setdefault(rule.rule, rule)
    return list(found.values())


def forwards(declared: Sequence[Forward], version: Version) -> list[Rule]:
    """Return the rules for what the host passes on between two networks."""
    found = []
    for forward in declared:
        if forward.source.version == version:
            source, destination = written(forward.source), written(forward.destination)
            note = f"route:allow any any {destination} any {source} in comment={hexed(forward.why)}"
            match = f"-d {destination} -s {source}"
            found.append(Rule(note, f"{match} -j ACCEPT", f"{match} -j RETURN"))
    return found


def _admission(opening: Opening, source: Network | None, version: Version) -> Rule:
    first, last = opening.ports.first, opening.ports.last
    ports = str(first) if first == last else f"{first}:{last}"
    who = written(source) if source else EVERYONE[version]
    port = f"--dport {ports}" if first == last else f"-m multiport --dports {ports}"
    limited = f" -s {who}" if source and source.prefixlen else ""
    note = f"allow {opening.protocol} {ports} {EVERYONE[version]} any {who} in comment={hexed(opening.why)}"
    rule = f"-p {opening.protocol} {port}{limited} -j ACCEPT"
    original = f"-m conntrack --ctorigdstport {ports} --ctdir ORIGINAL"
    return Rule(note, rule, f"-p {opening.protocol}{limited} {original} -j RETURN")


def written(network: Network) -> str:
    """Return a network as UFW writes it: a single host without its prefix length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def hexed(comment: str) -> str:
    """Return a comment as UFW keeps it: hexadecimal UTF-8, without the apostrophes that UFW refuses."""
    return comment.replace("'", "").encode().hex()
