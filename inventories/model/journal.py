"""How much log a host keeps."""

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

LogSize = Annotated[int, Field(ge=16), Wanted("a size in MiB, 16 or more", "500 is a good limit")]
Days = Annotated[int, Field(ge=1), Wanted("a number of days, 1 or more", "30 is a good limit")]


class Journal(Service):
    """Limits of the systemd journal (journald.conf(5)), in MiB and days."""

    max_use_mb: LogSize = 500
    keep_free_mb: LogSize = 500
    max_retention_days: Days = 30

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield limits that the disk is too small for."""
        swap = host.swap.size_mb if host.swap else 0
        if self.max_use_mb + self.keep_free_mb + swap >= host.disk_mb:
            beside = f" beside {swap} MiB of swap" if swap else ""
            yield self.problem(
                host,
                "max_use_mb",
                f"{self.max_use_mb} MiB of log and {self.keep_free_mb} MiB kept free{beside} fill the disk"
                f" of {host.disk_mb} MiB",
                "limits that leave room for the system",
                "lower max_use_mb, or correct disk_mb",
            )
