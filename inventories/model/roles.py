"""What a service's role asks of its declaration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.compose import Compose, Container
    from inventories.model.host import Host


def lint_role(compose: Compose, host: Host, place: str, container: Container) -> Iterator[Problem]:
    """Yield what a service lacks, or has too much, to be replaced as its role says."""
    yield from _health(compose, host, place, container)
    yield from _image(compose, host, place, container)
    if container.role == "http":
        yield from _http(compose, host, place, container)
    else:
        yield from _other(compose, host, place, container)
    if container.host_network and container.published:
        yield compose.problem(
            host,
            f"{place}.published",
            "a container in the host's own network publishes nothing",
            "either host_network or published",
            "take published out and declare its ports in firewall.extra, or take host_network out",
        )
    for index, its in enumerate(container.published):
        for source in its.sources:
            if source.prefixlen == 0:
                yield compose.problem(
                    host,
                    f"{place}.published[{index}].sources",
                    f"{source} is everyone",
                    "who may reach it",
                    "name their networks, or leave sources out to admit everyone",
                )


def _health(compose: Compose, host: Host, place: str, container: Container) -> Iterator[Problem]:
    if container.health is None:
        yield compose.problem(
            host,
            f"{place}.health",
            "nothing says whether it works",
            "a health check for every service",
            "add health=Health(command=(...)), a command that ends with 0 when all is well",
        )


def _image(compose: Compose, host: Host, place: str, container: Container) -> Iterator[Problem]:
    if isinstance(container.image, str) and container.image.endswith(":latest"):
        yield compose.problem(
            host,
            f"{place}.image",
            f"{container.image} is another image tomorrow",
            "a tag that names a version",
            "write the version that you tested",
        )


def _http(compose: Compose, host: Host, place: str, container: Container) -> Iterator[Problem]:
    if container.port is None:
        yield compose.problem(
            host,
            f"{place}.port",
            "nothing says where it listens in its container",
            "a port for an http service",
            "add port=8000, or what its command says",
        )
    if len(container.loopback) != 2 or len(set(container.loopback)) != 2:
        seen = ", ".join(map(str, container.loopback)) or "no port"
        yield compose.problem(
            host,
            f"{place}.loopback",
            f"{seen} for two colours",
            "two different ports of the host's loopback",
            "write two free ones, such as loopback=(8000, 8001)",
        )
    if container.host_network or container.published:
        field = "host_network" if container.host_network else "published"
        yield compose.problem(
            host,
            f"{place}.{field}",
            "two colours cannot hold one port of the host at a time",
            "loopback ports alone for an http service",
            f"take {field} out: the web server reaches it on loopback",
        )


def _other(compose: Compose, host: Host, place: str, container: Container) -> Iterator[Problem]:
    for field in ("port", "loopback"):
        if getattr(container, field):
            yield compose.problem(
                host,
                f"{place}.{field}",
                f"the role {container.role} has no colours that take turns",
                f"{field} on an http service only",
                f'take {field} out, or write role="http"',
            )
