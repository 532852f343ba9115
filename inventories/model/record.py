"""The base of every record: frozen, typed, unknown keys refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host
    from inventories.model.values import Jail, Opening


class Record(BaseModel):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Service(Record):
    """One service of one host. It contributes what it needs; the firewall, fail2ban and sysctl collect."""

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield the ports this service needs reachable, and by whom."""
        yield from ()

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield the fail2ban jails that protect this service."""
        yield from ()

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield the kernel settings this service needs, as (key, value)."""
        yield from ()

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield the systemd units that needrestart must never restart by itself."""
        yield from ()

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield what no single field can see: this record against its host and environment."""
        yield from ()
