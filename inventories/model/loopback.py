"""Who holds which port of a host: one port, one holder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inventories.model.problem import Problem
from inventories.model.values import Opening

if TYPE_CHECKING:
    from inventories.model.compose import Compose
    from inventories.model.environment import Environment
    from inventories.model.host import Host


def lint_loopback(compose: Compose, host: Host, environment: Environment) -> Iterator[Problem]:
    """Yield loopback ports of two services, and those that something else on the host listens on."""
    holders: dict[int, str] = {}
    others = list(_others(compose, host, environment))
    for stack, container in compose.containers():
        name = f"{stack.name}/{container.name}"
        place = f"stacks[{stack.name}].services[{container.name}]"
        for port in dict.fromkeys(container.loopback):
            holder = holders.setdefault(port, name)
            if holder != name:
                yield compose.problem(
                    host,
                    f"{place}.loopback",
                    f"{port} is also a port of {holder}",
                    "ports of its own for each service",
                    "choose two free ones",
                )
            for what, opening in others:
                if opening.protocol == "tcp" and port in opening.ports:
                    yield compose.problem(
                        host,
                        f"{place}.loopback",
                        f"{port} is taken by {opening} of {what}",
                        "ports of its own for each service",
                        "choose two free ones",
                    )
    yield from _published(compose, host)


def _others(compose: Compose, host: Host, environment: Environment) -> Iterator[tuple[str, Opening]]:
    """Yield every opening with who listens there; the published ports are the compose service's own."""
    for name, service in host.services.items():
        for opening in service.openings(host, environment):
            yield name, opening
    yield from (("firewall.extra", opening) for opening in host.firewall.extra)


def _published(compose: Compose, host: Host) -> Iterator[Problem]:
    holders: dict[tuple[str, int], str] = {}
    for stack, container in compose.containers():
        name = f"{stack.name}/{container.name}"
        for index, its in enumerate(container.published):
            key = (its.protocol, its.port)
            if key in holders:
                yield compose.problem(
                    host,
                    f"stacks[{stack.name}].services[{container.name}].published[{index}].port",
                    f"{its.protocol} {its.port} is also published by {holders[key]}",
                    "ports of its own for each service",
                    "choose another port",
                )
            holders.setdefault(key, name)
