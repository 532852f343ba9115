"""What of the world outside an environment uses: registries, ACME directories, databases, names of sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from control.errors import TrunklineError
from inventories.model import Database, Environment
from inventories.model.certbot import LETS_ENCRYPT, LETS_ENCRYPT_STAGING
from twin.carriers import carriers
from twin.offices import offices

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
    asked = registries(environment) or directories(environment) or environment.databases
    return bool(asked or offices(environment) or carriers(environment))


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


@dataclass(frozen=True)
class Server:
    """A database server: one port of one host outside; several declared databases may be on it."""

    host: str
    port: int
    node: str
    """Its node in the twin: servers of one host share it."""
    databases: tuple[Database, ...]

    @property
    def name(self) -> str:
        """What it is called: after the first of its databases."""
        return self.databases[0].name

    @property
    def kind(self) -> str:
        """What it runs."""
        return self.databases[0].kind


def database_nodes(environment: Environment) -> dict[str, str]:
    """Return the twin's node of each host that has databases: host -> node."""
    nodes: dict[str, str] = {}
    for database in environment.databases:
        nodes.setdefault(database.host, f"database-{database.name}")
    return nodes


def servers(environment: Environment) -> tuple[Server, ...]:
    """Return the database servers; TrunklineError where one port would have to speak two languages."""
    nodes = database_nodes(environment)
    found: dict[tuple[str, int], tuple[Database, ...]] = {}
    for database in environment.databases:
        others = found.get((database.host, database.port), ())
        if others and others[0].kind != database.kind:
            raise TrunklineError(
                f"The databases {others[0].name} and {database.name} have the same port of {database.host}.",
                "Give one of them another port.",
            )
        found[database.host, database.port] = (*others, database)
    return tuple(Server(host, port, nodes[host], its) for (host, port), its in found.items())
