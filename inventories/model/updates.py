"""Unattended security upgrades, and what they may restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

ClockTime = Annotated[
    str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$"), Wanted("a time of day", 'write it as "03:30"')
]
PackageName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$"),
    Wanted("the name of a Debian package", "write the name alone, without a version"),
]


class Updates(Service):
    """Security upgrades every night; a reboot only where it is declared."""

    reboot_at: ClockTime | None = None
    """When a pending reboot may happen (host's local time), or None for never by itself."""
    remove_unused: bool = True
    blocked: tuple[PackageName, ...] = ()
    """Packages that are never upgraded by themselves."""

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield a reboot that takes the whole group down at once."""
        group = [each for each in environment.hosts if each.group == host.group]
        if self.reboot_at and len(group) > 1 and all(self._with(each, host) for each in group):
            yield self.problem(
                host,
                "reboot_at",
                f"every host of the group {host.group} may reboot at {self.reboot_at}",
                "one host of a group at a time",
                "give each host of the group another minute, an hour apart",
            )

    def _with(self, other: Host, host: Host) -> bool:
        return other.updates.reboot_at == self.reboot_at and other.time.zone == host.time.zone
