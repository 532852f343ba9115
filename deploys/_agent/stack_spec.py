"""What a stack shall be: `stack.json` beside its compose file, read and checked. No secret stands in it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from .entry import read
from .places import on_disk
from .problem import AgentError

FORMAT = 1
HOME = "/etc/trunkline/stacks"
COLOURS = ("a", "b")
ROLES = ("stateful", "http", "worker", "single")
"""In the order in which they are replaced: what others need first, what must not run twice last."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class Service:
    """One service of a stack; `config` names its whole declaration, `loopback` the ports of its colours."""

    name: str
    role: str
    image: str
    config: str
    stop_seconds: int
    healthy_within: float
    loopback: tuple[int, ...] = ()
    upstream: str = ""
    needs: tuple[str, ...] = ()

    def compose(self, colour: str | None) -> str:
        """The name it has in the compose file."""
        return f"{self.name}-{colour}" if colour else self.name

    @property
    def colours(self) -> tuple[str | None, ...]:
        """The colours in which it may run; None alone for what has none."""
        return COLOURS if self.role == "http" else (None,)

    def port(self, colour: str) -> int:
        """The loopback port of a colour."""
        return self.loopback[COLOURS.index(colour)]


@dataclass(frozen=True)
class Migration:
    """A command that brings the database to what the image of `service` wants."""

    service: str
    command: tuple[str, ...]
    current: tuple[str, ...] = ()
    dump: tuple[str, ...] = ()
    keep_dumps: int = 5
    timeout: float = 600.0


@dataclass(frozen=True)
class Spec:
    """A stack as declared."""

    name: str
    directory: str
    services: tuple[Service, ...]
    migration: Migration | None = None
    reload: tuple[str, ...] = ()
    orphans: bool = True

    def service(self, name: str) -> Service:
        """A service by its name."""
        return next(service for service in self.services if service.name == name)

    @property
    def composed(self) -> dict[str, tuple[Service, str | None]]:
        """Every service of the compose file: the declared one behind it, and its colour."""
        return {s.compose(colour): (s, colour) for s in self.services for colour in s.colours}

    def ordered(self) -> list[Service]:
        """The services in the order in which they are started: by role, but never before what they need."""
        left = sorted(self.services, key=lambda service: ROLES.index(service.role))
        done: list[Service] = []
        while left:
            known = {service.name for service in done}
            ready = next((service for service in left if known.issuperset(service.needs)), left[0])
            left.remove(ready)
            done.append(ready)
        return done


def require_name(name: str) -> str:
    """The name, if it can be one of a stack."""
    if not _NAME.fullmatch(name):
        raise AgentError(f"{name!r} is no name of a stack")
    return name


def load(name: str) -> Spec | None:
    """The spec of a stack on this host, or None where no such stack is declared."""
    path = f"{HOME}/{require_name(name)}/stack.json"
    if not os.path.exists(on_disk(path)):
        return None
    try:
        return parse(json.loads(read(on_disk(path))), path)
    except ValueError as error:
        raise AgentError(f"{path} is not readable as JSON ({error}): deploy again") from error


def parse(wanted: Any, origin: str) -> Spec:
    """The spec in a JSON value; AgentError says what it lacks."""
    try:
        if wanted["format"] != FORMAT:
            raise AgentError(
                f"{origin} has format {wanted['format']}, this release reads format {FORMAT}: "
                "deploy with the newer release"
            )
        spec = Spec(
            name=require_name(wanted["name"]),
            directory=wanted.get("directory") or f"{HOME}/{wanted['name']}",
            services=tuple(_service(item) for item in wanted["services"]),
            migration=_migration(wanted.get("migration")),
            reload=tuple(wanted.get("reload") or ()),
            orphans=bool(wanted.get("orphans", True)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AgentError(f"{origin} is no spec of a stack ({type(error).__name__}: {error})") from error
    names = {service.name for service in spec.services}
    if spec.migration and spec.migration.service not in names:
        raise AgentError(f"{origin}: the migration runs in {spec.migration.service}, which is no service")
    return spec


def _service(item: dict[str, Any]) -> Service:
    service = Service(
        name=item["name"],
        role=item["role"],
        image=item["image"],
        config=item["config"],
        stop_seconds=int(item.get("stop_seconds") or 10),
        healthy_within=float(item["healthy_within"]),
        loopback=tuple(int(port) for port in item.get("loopback") or ()),
        upstream=item.get("upstream") or "",
        needs=tuple(item.get("needs") or ()),
    )
    if service.role not in ROLES:
        raise ValueError(f"{service.name} has the role {service.role!r}")
    if service.role == "http" and (len(service.loopback) != len(COLOURS) or not service.upstream):
        raise ValueError(f"{service.name} needs two loopback ports and an upstream")
    return service


def _migration(item: dict[str, Any] | None) -> Migration | None:
    if not item:
        return None
    return Migration(
        service=item["service"],
        command=tuple(item["command"]),
        current=tuple(item.get("current") or ()),
        dump=tuple(item.get("dump") or ()),
        keep_dumps=int(item.get("keep_dumps") or 5),
        timeout=float(item.get("timeout") or 600),
    )
