"""docker: the engine with Compose v2, its log limits, and containers that outlive the engine's restart."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from deploys._ops import systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from deploys._ops.script import text
from inventories.model import Docker, Environment, Host
from inventories.model.leaves import leaves
from inventories.model.release import ENGINE_OF_DOCKER, Release

LOADER = "/usr/local/lib/trunkline/docker"
CONFIG = "/etc/docker/daemon.json"
SOURCES = "/etc/apt/sources.list.d/docker.sources"
KEY = "/etc/apt/keyrings/docker.asc"
CHECKS = Checks(
    check=("dockerd", "--validate", "--config-file", f"{{{CONFIG}}}"),
    check_tree=("/etc/docker",),
    load=(LOADER,),
    loaded=("docker", "info", "--format", "{{.ServerVersion}}"),
    loaded_within=30,
    load_seconds=180,
)
LISTS = Checks(load=("apt-get", "--quiet", "update"), load_seconds=300)
"""Docker's packages are in no list before its source is."""
POOLS = ("172.24.0.0/13", "192.168.128.0/17", "10.224.0.0/12", "172.16.0.0/13", "10.96.0.0/12")
"""Where containers' networks may be, the first ones that nobody of the environment uses: RFC 1918."""
WIDEST = 8
"""A network with a shorter prefix is no network of somebody's but everybody."""


@dataclass(frozen=True)
class Daemon:
    """What the templates are made of."""

    declared: Docker
    release: Release
    pools: tuple[IPv4Network, ...]


def pools_of(environment: Environment) -> tuple[IPv4Network, ...]:
    """Return the address pools of containers' networks that meet no network of the environment."""
    found = (value.network if isinstance(value, IPv4Interface) else value for _, value in leaves(environment))
    used = [each for each in found if isinstance(each, IPv4Network) and each.prefixlen >= WIDEST]
    free = [pool for pool in map(IPv4Network, POOLS) if not any(pool.overlaps(each) for each in used)]
    return tuple(free[:2])


def packages(host: Host) -> tuple[str, ...]:
    """Return the packages of the engine and of Compose v2."""
    if host.docker is None:
        return ()
    return ENGINE_OF_DOCKER if host.docker.source == "docker" else host.release.engine


def loader() -> ManagedFile:
    """Return the program that has the engine take on its settings with the least disturbance."""
    return ManagedFile("docker", LOADER, text("docker"), mode="0755")


def repository(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return Docker's own package source and the key that signs it, where its packages are declared."""
    if host.docker is None or host.docker.source != "docker":
        return []
    daemon = _daemon(host.docker, host, environment)
    return [
        ManagedFile("docker", KEY, render("docker", "docker.asc", daemon)),
        ManagedFile("docker", SOURCES, render("docker", "docker.sources", daemon)),
    ]


def config(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return the engine's settings."""
    if host.docker is None:
        return []
    return [
        ManagedFile(
            "docker", CONFIG, render("docker", "daemon.json", _daemon(host.docker, host, environment))
        )
    ]


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return every file of the engine; nothing where none is declared."""
    own = [loader()] if host.docker else []
    return [*repository(host, environment), *own, *config(host, environment)]


def sources(host: Host, environment: Environment) -> None:
    """Declare Docker's package source to apt, before anything is installed from it."""
    declared = repository(host, environment)
    if declared:
        managed_set("docker-source", declared, LISTS, name="docker: package source")


def docker(host: Host, environment: Environment) -> None:
    """Write the settings, have the engine read them before and hold them after, and keep it running."""
    managed_set("docker-loader", [loader()], name="docker: loader")
    managed_set("docker", config(host, environment), CHECKS, name="docker: files")
    for unit in host.release.units["docker"]:
        systemd.unit(unit, name=f"docker: {unit}")


def _daemon(declared: Docker, host: Host, environment: Environment) -> Daemon:
    return Daemon(declared, host.release, pools_of(environment))
