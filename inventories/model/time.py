"""The clock: where a host takes its time from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from inventories.model.names import ServerName, is_example
from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.wanted import Wanted, refusal, shown

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host


def _zone(value: str) -> str:
    if not _known(value) and _known("Europe/London"):
        raise refusal(
            shown(value), "a time zone", "write it as timedatectl list-timezones does: Europe/Berlin"
        )
    return value


def _known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


Zone = Annotated[str, AfterValidator(_zone), Wanted("a time zone", 'put it in quotes: "Etc/UTC"')]
"""A zone of the tz database, as far as this machine has one to compare with."""
Offset = Annotated[float, Field(gt=0), Wanted("a number of seconds above 0", "0.5 is a good limit")]


class Time(Service):
    """chrony and the time zone."""

    servers: tuple[ServerName, ...] = ("0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org")
    zone: Zone = "Etc/UTC"
    max_offset: Offset = 0.5
    """Seconds the clock may be off before it is a failure."""

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield servers that give no time."""
        if not self.servers:
            yield self.problem(
                host,
                "servers",
                "no server",
                "at least one",
                "name one, or leave servers out for the public pool",
            )
        for index, server in enumerate(self.servers):
            if server in self.servers[:index]:
                yield self.problem(
                    host,
                    f"servers[{index}]",
                    f"{server} stands here twice",
                    "each server once",
                    "take one of the two out",
                )
            if is_example(server) and not environment.in_twin:
                yield self.problem(
                    host,
                    f"servers[{index}]",
                    f"{server} is an example name",
                    "a server that gives the time",
                    "name your provider's, or leave servers out for the public pool",
                    example=True,
                )
