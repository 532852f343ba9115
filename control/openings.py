"""The sheet for the provider's firewall: what must be open in front of each host, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from control.console import Console
from control.show import said
from control.target import Target
from inventories.model import Host, Opening

COLUMNS = ("Host", "Direction", "Protocol", "Ports", "Family", "Sources", "Why")


def openings(target: Target, console: Console) -> None:
    """Show one line for each host, opening and address family."""
    rows = [row for host in target.hosts for row in sheet(host, target)]
    console.table("opening", COLUMNS, rows)
    console.title("Everything else inbound may be closed there. Outbound: DNS, NTP, HTTP, HTTPS.")


def sheet(host: Host, target: Target) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one host: both families where it has an IPv6 address."""
    for opening in host.openings(target.environment):
        yield from _rows(host, opening, 4, "0.0.0.0/0")
        if host.address6 is not None:
            yield from _rows(host, opening, 6, "::/0")
    if host.firewall.answer_ping:
        yield (host.name, "in", "icmp", "echo-request", "IPv4", "0.0.0.0/0", "ping")
        if host.address6 is not None:
            yield (host.name, "in", "icmpv6", "all", "IPv6", "::/0", "neighbours, path MTU, ping")


def _rows(host: Host, opening: Opening, version: Literal[4, 6], everyone: str) -> Iterator[tuple[str, ...]]:
    if opening.admits(version):
        sources = ", ".join(str(each) for each in opening.sources_of(version)) or everyone
        yield (
            host.name, "in", opening.protocol, said(opening.ports), f"IPv{version}", sources, opening.why,
        )  # fmt: skip
