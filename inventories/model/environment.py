"""An environment: the hosts that belong together, and who works on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from inventories.model.host import Host
from inventories.model.problem import Problem
from inventories.model.record import Record
from inventories.model.values import Network, Secret


class Environment(Record):
    """Everything that is deployed, proven and rehearsed together."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
    domain: str
    """Hosts are named `<host>.<domain>` in DNS."""
    controllers: Annotated[tuple[Network, ...], Field(min_length=1)]
    """Where deploys come from: always admitted to SSH, never banned."""
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    in_twin: bool = False
    """The environment exists as a twin only; it may use documentation addresses (RFC 5737, RFC 3849)."""

    def host(self, name: str) -> Host:
        """Return one host by its name; KeyError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def never_banned(self, host: Host) -> tuple[Network, ...]:
        """Collect the networks that no jail of this host may ever ban."""
        own = (
            interface for h in self.hosts for interface in (h.address, h.address6) if interface is not None
        )
        hosts = tuple(type(i.network)(i.ip) for i in own)
        return tuple(dict.fromkeys((*self.controllers, *hosts, *host.fail2ban.never)))

    def secrets(self) -> tuple[Secret, ...]:
        """Collect every secret that the environment refers to."""
        return tuple(dict.fromkeys(_secrets_in(self)))

    def lint(self) -> Iterator[Problem]:
        """Yield what no single service can see."""
        for host in self.hosts:
            for service in host.services.values():
                yield from service.lint(host, self)

    def inventory(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the hosts in pyinfra's form, reached by our own connector."""
        return [(f"@trunkline/{self.name}/{host.name}", {"environment": self.name}) for host in self.hosts]


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Record):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _secrets_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets_in(item)
