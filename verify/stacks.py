"""What is asked of a host about its declared stacks, and which container belongs to which service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inventories.model import Container, Database, Environment, Host, Stack

COLOURS = ("a", "b")
ROOM = 10
"""Seconds more than a health command's own limit before it counts as one that does not end."""


def runs_as(container: Container) -> tuple[str, ...]:
    """Return the names under which Compose may run a service: an http service has two colours."""
    if container.role == "http":
        return tuple(f"{container.name}-{colour}" for colour in COLOURS)
    return (container.name,)


def stacks_of(host: Host) -> tuple[Stack, ...]:
    """Return the host's declared stacks."""
    return host.compose.stacks if host.compose else ()


def stacks_asked(environment: Environment, host: Host) -> dict[str, Any]:
    """Return the part of the collector's request that is about containers."""
    stacks = [
        {
            "name": stack.name,
            "services": [{"name": each.name, "loopback": list(each.loopback)} for each in stack.services],
            "asked": list(_commands(stack)),
        }
        for stack in stacks_of(host)
    ]
    return {
        "docker": host.docker is not None,
        "stacks": stacks,
        "databases": [_database(host, each) for each in databases_of(environment, host)],
    }


def databases_of(environment: Environment, host: Host) -> tuple[Database, ...]:
    """Return the managed databases that the host's stacks use."""
    used = {name for stack in stacks_of(host) for name in stack.databases}
    return tuple(each for each in environment.databases if each.name in used)


def _commands(stack: Stack) -> Iterator[dict[str, Any]]:
    """Yield each health command, and the one that prints the migration's revision."""
    for each in stack.services:
        if each.health:
            limit = each.health.timeout + ROOM
            yield _command(each.name, each, each.health.command, limit, told=False)
    if stack.migration and stack.migration.current:
        service = stack.service(stack.migration.service)
        yield _command("migration", service, stack.migration.current, 30, told=True)


def _command(
    name: str, container: Container, command: tuple[str, ...], timeout: int, *, told: bool
) -> dict[str, Any]:
    names = list(runs_as(container))
    return {"name": name, "runs_as": names, "command": list(command), "timeout": timeout, "told": told}


def _database(host: Host, database: Database) -> dict[str, Any]:
    """Return how a database is asked: where, and in which containers its secrets are already."""
    password, ca = [], []
    for stack in stacks_of(host):
        for each in stack.services:
            where = (stack.name, list(runs_as(each)))
            password += [
                (*where, name) for name, value in each.environment.items() if value == database.password
            ]
            ca += [(*where, path) for path, value in each.files.items() if value == database.ca]
    asked = database.model_dump(mode="json", include={"name", "kind", "host", "port", "user", "database"})
    return {**asked, "password": [list(each) for each in password], "ca": [list(each) for each in ca]}
