"""Deploys for the tests of Docker and Compose: these and the firewall alone."""

from __future__ import annotations

from deploys import compose, docker, firewall, site
from deploys._ops import apt, manifest, orphans
from inventories.model import (
    Compose,
    Container,
    Docker,
    Environment,
    Health,
    Host,
    Published,
    Secret,
    Stack,
)

EVERYONES, CONTROLLERS = 8080, 8081
PING = Health(command=("redis-cli", "ping"), interval=5, start=10)
OPEN = Published(port=EVERYONES, to=6379, why="everyone's")
LIMITED = Published(port=CONTROLLERS, to=6379, why="the controller's", sources=("192.0.2.10/32",))


def redis(name: str, *published: Published, **more: object) -> Container:
    """Return a service that keeps data in a volume and publishes ports."""
    plain = Container(
        name=name,
        role="stateful",
        image="redis:7-alpine",
        environment={"TELLING_PASSWORD": Secret(name="crm_password"), "PLAIN": "a $b 'c' \"d\" \\e"},
        volumes={name: "/data"},
        health=PING,
        published=published,
    )
    return plain.model_copy(update=more)


def reduced(host: Host, *services: Container, **more: object) -> Host:
    """Return the lab's web server with one stack of these services, over both address families."""
    stacks = Compose(stacks=(Stack(name="ports", services=services),)) if services else None
    changes = {"nginx": None, "certbot": None, "compose": stacks, **more}
    given = {name: getattr(host, name) for name in Host.model_fields}
    return Host.model_validate({**given, "address6": "2001:db8:100::21/64", **changes})


def containers(host: Host, environment: Environment) -> None:
    """Serve the host as the whole deploy does, but for what is not about containers."""
    environment = environment.model_copy(update={"hosts": (host,)})
    found, declared = site.begin(host, environment)
    manifest.intend(declared, name="manifest: intend")
    apt.packages((*docker.packages(host), "ufw"), name="packages: install")
    firewall.firewall(host, environment)
    docker.docker(host, environment)
    if host.compose:
        compose.compose(host, environment, found.pins)
    orphans.orphans(declared)
    manifest.narrow(name="manifest: narrow")


def first(host: Host, environment: Environment) -> None:
    """Serve one port to everyone, one to the controller."""
    containers(reduced(host, redis("open", OPEN), redis("limited", LIMITED)), environment)


def longer_logs(host: Host, environment: Environment) -> None:
    """Serve the same with another setting of the engine."""
    services = (redis("open", OPEN), redis("limited", LIMITED))
    containers(reduced(host, *services, docker=Docker(log_max_mb=20)), environment)


def failing(host: Host, environment: Environment) -> None:
    """Serve with a container that ends at once."""
    last = ("sh", "-c", "echo this is my last line; exit 3")
    containers(reduced(host, redis("open", OPEN, command=last), redis("limited", LIMITED)), environment)


def nothing(host: Host, environment: Environment) -> None:
    """Serve no stack any more."""
    containers(reduced(host), environment)
