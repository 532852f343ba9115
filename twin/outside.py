"""What of the world outside an environment uses: registries, ACME directories, databases, names of sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from inventories.model import Database, Environment
from inventories.model.certbot import LETS_ENCRYPT, LETS_ENCRYPT_STAGING

HUB = ("registry-1.docker.io", "index.docker.io", "auth.docker.io", "docker.io")
"""Docker Hub's names: an image without a registry's name is fetched there."""


@dataclass(frozen=True)
class Directory:
    """An ACME directory's address in parts (RFC 8555, section 7.1.1)."""

    name: str
    port: int
    path: str


def uses(environment: Environment) -> bool:
    """Say whether the environment asks anything outside that the world image is needed for."""
    return bool(registries(environment) or directories(environment) or environment.databases)


def has_registry(environment: Environment) -> bool:
    """Say whether a host of the environment runs containers."""
    return any(host.docker or host.compose for host in environment.hosts)


def registries(environment: Environment) -> tuple[str, ...]:
    """Return the names of every registry that the declared images come from; Docker Hub's always."""
    if not has_registry(environment):
        return ()
    return tuple(dict.fromkeys((*HUB, *_registries_of_images(environment))))


def _registries_of_images(environment: Environment) -> Iterator[str]:
    for reference in references(environment):
        first, slash, _ = reference.partition("/")
        if slash and "." in first and ":" not in first:
            yield first


def references(environment: Environment) -> Iterator[str]:
    """Yield every image that is pulled, as it is declared."""
    for host in environment.hosts:
        for _, container in host.compose.containers() if host.compose else ():
            if isinstance(container.image, str):
                yield container.image


def directories(environment: Environment) -> tuple[Directory, ...]:
    """Return the ACME directories that hosts may ask: Let's Encrypt's two, and the declared ones."""
    declared = [host.certbot.directory for host in environment.hosts if host.certbot]
    if not declared:
        return ()
    found = [urlsplit(address) for address in (LETS_ENCRYPT, LETS_ENCRYPT_STAGING, *declared)]
    return tuple(dict.fromkeys(Directory(u.hostname or "", u.port or 443, u.path or "/") for u in found))


def node_of(database: Database) -> str:
    """Return the name of a database's node in the twin."""
    return f"database-{database.name}"
