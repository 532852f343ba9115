"""Stacks of containers, each by its role: how a service may be replaced follows from what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from inventories.model.loopback import lint_loopback
from inventories.model.nginx import Directory
from inventories.model.plain import lint_plain
from inventories.model.problem import Problem
from inventories.model.record import Record, Service
from inventories.model.repository import lint_contexts
from inventories.model.roles import lint_role
from inventories.model.stacks import lint_room, lint_stack, lint_stacks, lint_stand
from inventories.model.values import Count, Network, Opening, Port, Protocol, Seconds, Secret
from inventories.model.wanted import Choice, Wanted, refusal

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

Label = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{0,30}$"),
    Wanted("a name", "use small letters, digits and hyphens, a letter first"),
]
Reference = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9._/:@-]*[:@][A-Za-z0-9._:-]+$"),
    Wanted("an image with a tag or a digest", "write it as redis:7-alpine"),
]
Inside = Annotated[
    str, Field(pattern=r"^/[!-~]+$"), Wanted("an absolute path in the container", "begin it with /")
]
Variable = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    Wanted("the name of an environment variable", "use letters, digits and underscores"),
]
Words = Annotated[tuple[str, ...], Field(min_length=1)]


def _one_line(value: Any) -> Any:
    if isinstance(value, str) and any(not each.isprintable() for each in value):
        remedy = "write it on one line, or as a file: files={...}"
        raise refusal("a value with a line break in it", "one line", remedy, bare=False)
    return value


def _mapping(value: Any) -> Any:
    if not isinstance(value, dict):
        raise refusal("something else", "a dict", 'write it as {"NAME": "value"}', bare=False)
    return value


Value = Annotated[
    Secret | str,
    Choice("text in quotes or a Secret", "put numbers in quotes as well", hidden="neither of the two"),
    AfterValidator(_one_line),
]
Variables = Annotated[dict[Variable, Value], BeforeValidator(_mapping)]
"""What a wrong value is, is never said: it may be a password."""
Role = Literal["http", "worker", "single", "stateful"]
"""http: two colours, switched without a failed request. worker: stopped warmly, then started anew. single:
exactly one may run (a scheduler, a dialer), stopped before the next starts. stateful: keeps data, and is
replaced only when its own declaration changes."""


class Health(Record):
    """The command that says, inside the container, whether it does its work (exit code 0)."""

    command: Words
    interval: Count = 10
    timeout: Count = 5
    retries: Count = 3
    start: Seconds = 30
    """Seconds in which a failure does not count yet."""


class Build(Record):
    """An image made from a directory of this repository, once, on the controller."""

    context: Directory
    dockerfile: Directory = "Dockerfile"
    args: dict[Variable, str] = Field(default_factory=dict)
    """They stay in the image for everyone to read: no secret may be among them."""


Image = Annotated[
    Reference | Build,
    Choice(
        "an image with a tag or a digest", 'write it as redis:7-alpine, or as Build(context="a directory")'
    ),
]


class Published(Record):
    """A port of the container that others may reach, past UFW but not past what is declared here."""

    port: Port
    to: Port
    protocol: Protocol = "tcp"
    sources: tuple[Network, ...] = ()
    why: str


class Container(Record):
    """One service of a stack."""

    name: Label
    role: Role
    image: Image
    command: Words | None = None
    environment: Variables = Field(default_factory=dict)
    files: dict[Inside, Secret] = Field(default_factory=dict)
    """Files with secret content, mounted read-only."""
    health: Health | None = None
    """Demanded of every service: what has no health check cannot be replaced safely."""
    port: Port | None = None
    """Where an http service listens in its container."""
    loopback: tuple[Port, ...] = ()
    """The two ports on the host's loopback that its colours take in turn."""
    published: tuple[Published, ...] = ()
    volumes: dict[Label, Inside] = Field(default_factory=dict)
    """By name, where each is mounted. A volume has one writer at a time, unless it is `shared`."""
    shared: tuple[Label, ...] = ()
    """Volumes that others may write at the same time (uploads): other services, or the second colour."""
    host_network: bool = False
    stop_seconds: Count = 30
    """Seconds it may take to finish its work when it is stopped."""
    memory_mb: Count | None = None
    user: str | None = None
    needs: tuple[Label, ...] = ()
    """Services of the same stack that must be healthy before it starts."""


class Migration(Record):
    """A command that brings the database to what the new image wants, before anything is switched."""

    service: Label
    """Whose image and environment it runs with."""
    command: Words
    current: Words | None = None
    """Prints the present revision; kept in the release record."""
    dump: Words | None = None
    """Prints a dump of the data, which is kept on the host before the migration runs."""
    keep_dumps: Count = 5
    timeout: Count = 600


class Stack(Record):
    """A Compose project."""

    name: Label
    services: Annotated[tuple[Container, ...], Field(min_length=1)]
    migration: Migration | None = None
    databases: tuple[Label, ...] = ()
    """The environment's managed databases that it uses."""

    def service(self, name: str) -> Container:
        """Return one service by its name; KeyError when there is none."""
        for container in self.services:
            if container.name == name:
                return container
        raise KeyError(name)


class Compose(Service):
    """Any number of stacks."""

    stacks: Annotated[tuple[Stack, ...], Field(min_length=1)]

    def stack(self, name: str) -> Stack:
        """Return one stack by its name; KeyError when there is none."""
        for stack in self.stacks:
            if stack.name == name:
                return stack
        raise KeyError(name)

    def target(self, name: str) -> Container:
        """Return the service that a proxy names as `stack/service`; KeyError when there is none."""
        stack, _, service = name.partition("/")
        return self.stack(stack).service(service)

    def containers(self) -> Iterator[tuple[Stack, Container]]:
        """Yield every service with its stack."""
        for stack in self.stacks:
            for container in stack.services:
                yield stack, container

    def databases(self) -> Iterator[str]:
        """Yield the names of the managed databases that the stacks use."""
        for stack in self.stacks:
            yield from stack.databases

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield the published ports."""
        for stack, container in self.containers():
            for its in container.published:
                why = f"{its.why} ({stack.name}/{container.name})"
                yield Opening.port(its.port, its.protocol, why, its.sources)

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield stacks that clash, and services that could not be run or replaced as declared."""
        yield from lint_stacks(self, host)
        for stack in self.stacks:
            yield from lint_stack(self, host, stack)
            for container in stack.services:
                place = f"stacks[{stack.name}].services[{container.name}]"
                yield from lint_role(self, host, place, container)
                yield from lint_plain(self, host, place, container)
        yield from lint_room(self, host)
        yield from lint_contexts(self, host)

    def between(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield ports that others hold, databases nobody knows, and stacks that no engine runs."""
        yield from lint_loopback(self, host, environment)
        yield from lint_stand(self, host, environment)
