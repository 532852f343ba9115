"""Containers as the engine tells them, and Docker's own packet rules, told from those of a careless hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from inventories.model import Container, Stack
from verify.rules import Rule
from verify.snapshot import Snapshot
from verify.stacks import runs_as

LOOPBACK = ("127.", "::1")


@dataclass(frozen=True)
class Binding:
    """A port of the host that leads into a container."""

    address: str
    port: int
    protocol: str
    inside: int
    container: str

    @property
    def public(self) -> bool:
        """Whether it is meant for others than this host."""
        return not self.address.startswith(LOOPBACK)


@dataclass(frozen=True)
class Live:
    """One container that exists on the host."""

    name: str
    image: str
    """The image's own id."""
    project: str
    service: str
    state: str
    health: str | None
    held: dict[str, Any]

    @property
    def running(self) -> bool:
        """Whether its processes run (they do as well while it is paused, but answer nobody)."""
        return self.state == "running"

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The ports of the host that lead into it."""
        return tuple(
            Binding(address, port, protocol, int(inside), self.name)
            for address, port, protocol, inside in self.held["ports"]
        )


def containers(live: Snapshot) -> tuple[Live, ...]:
    """Return every container on the host, stopped ones too, but for one-off commands that have ended."""
    return tuple(each for held in live["docker"]["containers"] if (each := _read(held)) is not None)


def _read(held: dict[str, Any]) -> Live | None:
    labels = held["labels"]
    if labels.get("com.docker.compose.oneoff") == "True" and held["state"] == "exited":
        return None
    return Live(
        name=held["name"],
        image=held["image"],
        project=labels.get("com.docker.compose.project", ""),
        service=labels.get("com.docker.compose.service", ""),
        state=held["state"],
        health=held["health"],
        held=held,
    )


def of_service(live: Snapshot, stack: Stack, container: Container) -> tuple[Live, ...]:
    """Return the containers of one declared service, in any state and colour."""
    names = runs_as(container)
    return tuple(c for c in containers(live) if c.project == stack.name and c.service in names)


def written_by_docker(live: Snapshot, name: str, rule: Rule) -> bool:
    """Say whether a rule outside the filter table is one that Docker itself writes for what runs now.

    Translations into a container count only where that container runs and publishes that very port.
    """
    bridges = {each["bridge"] for each in live["docker"]["networks"]}
    if name == "raw":
        return rule.target == "DROP" and any(each in _ours(live) for each in _values(rule, "-d"))
    if name != "nat":
        return False
    if rule.target == "DOCKER":
        return rule.text.split()[1] in ("PREROUTING", "OUTPUT") and "LOCAL" in _values(rule, "--dst-type")
    if rule.target == "MASQUERADE":
        return any(n in _ours(live) for n in _values(rule, "-s")) or any(
            o in bridges for o in _values(rule, "-o")
        )
    if rule.target == "RETURN":
        return any(inward in bridges for inward in _values(rule, "-i"))
    return rule.target == "DNAT" and _leads_to_a_binding(live, rule)


def _leads_to_a_binding(live: Snapshot, rule: Rule) -> bool:
    words = rule.text.split()
    if "--to-destination" not in words:
        return False
    address, _, inside = words[words.index("--to-destination") + 1].rpartition(":")
    return any(
        address.strip("[]") in each.held["addresses"]
        and any(str(b.inside) == inside and str(b.port) in _values(rule, "--dport") for b in each.bindings)
        for each in containers(live)
    )


def _values(rule: Rule, option: str) -> Iterator[str]:
    return (value for c in rule.conditions if c.option == option for value in c.values)


class _Ours:
    """The addresses of Docker's networks and of the loopback."""

    def __init__(self, subnets: list[str]) -> None:
        self._networks = [ip_network(text) for text in (*subnets, "127.0.0.0/8", "::1/128")]

    def __contains__(self, text: str) -> bool:
        network = ip_network(text, strict=False)
        return any(n.version == network.version and network.subnet_of(n) for n in self._networks)  # type: ignore[arg-type]


def _ours(live: Snapshot) -> _Ours:
    return _Ours([subnet for each in live["docker"]["networks"] for subnet in each["subnets"]])
