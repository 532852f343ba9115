"""What the services of a stack, and the stacks of a host, may not say of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.compose import Compose, Stack
    from inventories.model.environment import Environment
    from inventories.model.host import Host


def lint_stacks(compose: Compose, host: Host) -> Iterator[Problem]:
    """Yield stacks and services that would be one and the same on the host."""
    for name, times in Counter(stack.name for stack in compose.stacks).items():
        if times > 1:
            yield compose.problem(
                host,
                f"stacks[{name}]",
                f"{times} stacks are named {name}",
                "a name of its own",
                "rename the others",
            )
    served: dict[str, str] = {}
    for stack, container in compose.containers():
        name, file = f"{stack.name}/{container.name}", f"{stack.name}-{container.name}"
        if container.role == "http" and served.setdefault(file, name) != name:
            yield compose.problem(
                host,
                f"stacks[{stack.name}].services[{container.name}].name",
                f"the web server knows {name} as {file}, and {served[file]} as well",
                "a name of its own",
                "rename the stack or the service",
            )


def lint_stack(compose: Compose, host: Host, stack: Stack) -> Iterator[Problem]:
    """Yield what the services of one stack contradict each other in."""
    yield from _names(compose, host, stack)
    yield from _needs(compose, host, stack)
    yield from _volumes(compose, host, stack)
    names = [container.name for container in stack.services]
    if stack.migration and stack.migration.service not in names:
        yield compose.problem(
            host,
            f"stacks[{stack.name}].migration.service",
            f"there is no service {stack.migration.service} in {stack.name}",
            "the service whose image migrates",
            _instead(stack.migration.service, names),
        )


def lint_room(compose: Compose, host: Host) -> Iterator[Problem]:
    """Yield limits of memory that the host cannot keep, a second colour of the largest included."""
    limits = [container.memory_mb or 0 for _, container in compose.containers()]
    second = max((c.memory_mb or 0 for _, c in compose.containers() if c.role == "http"), default=0)
    if sum(limits) + second > host.memory_mb:
        beside = f" and {second} MiB for a second colour" if second else ""
        yield compose.problem(
            host,
            "stacks",
            f"{sum(limits)} MiB for the containers{beside} on a host of {host.memory_mb} MiB",
            "limits that the host can keep",
            "lower memory_mb of the containers, or correct memory_mb of the host",
        )


def lint_stand(compose: Compose, host: Host, environment: Environment) -> Iterator[Problem]:
    """Yield stacks without an engine, and databases that nobody declares."""
    if host.docker is None:
        yield compose.problem(
            host,
            "stacks",
            "no engine runs them",
            "docker on a host with stacks",
            "add docker=Docker() to this host",
        )
    known = [database.name for database in environment.databases]
    for stack in compose.stacks:
        for name in stack.databases:
            if name not in known:
                yield compose.problem(
                    host,
                    f"stacks[{stack.name}].databases",
                    f"there is no database {name} in this environment",
                    "one of its managed databases",
                    _instead(name, known),
                )


def _names(compose: Compose, host: Host, stack: Stack) -> Iterator[Problem]:
    names = [container.name for container in stack.services]
    colours = {f"{c.name}-{colour}": c.name for c in stack.services if c.role == "http" for colour in "ab"}
    for name, times in Counter(names).items():
        if times > 1:
            yield compose.problem(
                host,
                f"stacks[{stack.name}].services[{name}]",
                f"{times} services of {stack.name} are named {name}",
                "a name of its own",
                "rename the others",
            )
        if name in colours:
            yield compose.problem(
                host,
                f"stacks[{stack.name}].services[{name}].name",
                f"{name} is what a colour of {colours[name]} is called",
                "a name of its own",
                "rename the service",
            )


def _needs(compose: Compose, host: Host, stack: Stack) -> Iterator[Problem]:
    needs = {container.name: container.needs for container in stack.services}
    for name, its in needs.items():
        place = f"stacks[{stack.name}].services[{name}].needs"
        for other in its:
            if other not in needs:
                yield compose.problem(
                    host,
                    place,
                    f"there is no service {other} in {stack.name}",
                    "services of the same stack",
                    _instead(other, list(needs)),
                )
        ring = _ring(name, needs)
        if ring and name == min(ring):
            yield compose.problem(
                host,
                place,
                f"{' needs '.join((*ring, name))}",
                "a service that can start first",
                "take one of them out",
            )


def _ring(name: str, needs: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the shortest way along the needs of a service that leads back to it; empty when none does."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    for way in ways:
        for other in needs.get(way[-1], ()):
            if other == name:
                return way
            if other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()


def _volumes(compose: Compose, host: Host, stack: Stack) -> Iterator[Problem]:
    users = Counter(volume for container in stack.services for volume in container.volumes)
    for container in stack.services:
        place = f"stacks[{stack.name}].services[{container.name}]"
        for volume in container.shared:
            if volume not in container.volumes:
                yield compose.problem(
                    host,
                    f"{place}.shared",
                    f"{container.name} has no volume {volume}",
                    "volumes of the same service",
                    _instead(volume, list(container.volumes)),
                )
        for volume in container.volumes:
            if volume in container.shared or (container.role != "http" and users[volume] == 1):
                continue
            colours = users[volume] == 1
            yield compose.problem(
                host,
                f"{place}.volumes[{volume}]",
                "both colours would write it during a switch" if colours else "several services write it",
                "one writer at a time",
                f'add shared=("{volume}",) if they may, as for uploads; never for the files of a database',
            )


def _instead(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(known) or 'none'}"
