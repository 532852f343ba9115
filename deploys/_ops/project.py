"""A Compose project of a stack: what each service is, apart from what its image is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deploys._engine import secrets
from deploys._ops.dotenv import dotenv
from deploys._ops.written import config_of, written
from inventories.model import Build, Container, Secret, Stack

COLOURS = ("a", "b")
Exactly = Callable[[str | Build], str]
"""Says what a container of a declared image is started from."""


@dataclass(frozen=True)
class Rendered:
    """One service as compose.yaml has it: an http service is two of them, its colours."""

    name: str
    settings: tuple[tuple[str, str], ...]
    volumes: tuple[str, ...]
    ports: tuple[str, ...]
    health: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Project:
    """What the template of compose.yaml is made of."""

    name: str
    services: tuple[Rendered, ...]
    volumes: tuple[str, ...]


def environment_of(container: Container) -> str:
    """Return a service's environment file, secrets in it."""
    pairs = ((key, given(value)) for key, value in container.environment.items())
    return "".join(f"{dotenv(key, value)}\n" for key, value in pairs)


def given(value: Secret | str) -> str:
    """Return a declared value itself."""
    return secrets.value(value) if isinstance(value, Secret) else value


def private_of(container: Container) -> dict[str, str]:
    """Return the secret files of a service by their place in the container."""
    return {inside: secrets.value(secret) for inside, secret in container.files.items()}


def config(container: Container, stack: Stack) -> str:
    """Return the digest of all that a service is but its image: it is replaced when this changes."""
    of_colours = [_settings(container, colour, "") for colour in _colours(container)]
    declared = [of_colours, _volumes(container), _ports(container, 0), _health(container)]
    reference = container.image if isinstance(container.image, str) else ""
    private = [environment_of(container), private_of(container)]
    return config_of([stack.name, container.name, reference, declared], private)


def _colours(container: Container) -> tuple[str, ...]:
    return COLOURS if container.role == "http" else ("",)


def project(stack: Stack, exactly: Exactly) -> Project:
    """Return a stack as the template wants it."""
    services = [each for container in stack.services for each in _services(container, stack, exactly)]
    volumes = sorted({name for container in stack.services for name in container.volumes})
    return Project(stack.name, tuple(services), tuple(volumes))


def _services(container: Container, stack: Stack, exactly: Exactly) -> Iterator[Rendered]:
    digest, image = config(container, stack), exactly(container.image)
    for place, colour in enumerate(_colours(container)):
        labels = {"stack": stack.name, "service": container.name, "config": digest}
        labels |= {"colour": colour} if colour else {}
        yield Rendered(
            name=f"{container.name}-{colour}" if colour else container.name,
            settings=tuple(_settings(container, colour, image)),
            volumes=tuple(_volumes(container)),
            ports=tuple(_ports(container, place)),
            health=tuple(_health(container)),
            labels=tuple((f"trunkline.{key}", written(value)) for key, value in labels.items()),
        )


def _settings(container: Container, colour: str, image: str) -> list[tuple[str, str]]:
    """Return the plain keys of a service; images are there before, nothing is pulled by starting."""
    found: list[tuple[str, Any]] = [("image", image), ("pull_policy", "never")]
    found += [("profiles", [colour])] if colour else []
    found += [("restart", "unless-stopped"), ("init", True)]
    found += [("command", list(container.command))] if container.command else []
    found += [("user", container.user)] if container.user else []
    found += [("env_file", [f"{container.name}.env"])] if container.environment else []
    found += [("stop_grace_period", f"{container.stop_seconds}s")]
    found += [("mem_limit", f"{container.memory_mb}m")] if container.memory_mb else []
    found += [("network_mode", "host")] if container.host_network else []
    found += [("networks", {"default": {"aliases": [container.name]}})] if colour else []
    return [(key, written(value)) for key, value in found]


def _volumes(container: Container) -> list[str]:
    named = [{"type": "volume", "source": name, "target": at} for name, at in container.volumes.items()]
    files = [
        {"type": "bind", "source": f"./files/{container.name}/{place}", "target": at, "read_only": True}
        for place, at in enumerate(container.files)
    ]
    return [written(each) for each in (*named, *files)]


def _ports(container: Container, place: int) -> list[str]:
    found = [
        {"host_ip": "0.0.0.0", "published": str(its.port), "target": its.to, "protocol": its.protocol}
        for its in container.published
    ]
    if container.role == "http" and container.loopback:
        port = str(container.loopback[place])
        found.append({"host_ip": "127.0.0.1", "published": port, "target": container.port or 0})
    return [] if container.host_network else [written(each) for each in found]


def _health(container: Container) -> list[tuple[str, str]]:
    """Return the health check; while a container starts it is asked often, to be used as soon as it can."""
    health = container.health
    if health is None:
        return [("disable", "true")]
    found = {
        "test": ["CMD", *health.command],
        "interval": f"{health.interval}s",
        "timeout": f"{health.timeout}s",
        "retries": health.retries,
        "start_period": f"{health.start}s",
        "start_interval": "2s",
    }
    return [(key, written(value)) for key, value in found.items()]
