"""Swap space, where it is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import normpath
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.wanted import Wanted, refusal, shown

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

NOT_ON_DISK = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/boot")


def _path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._/-]+", value) or normpath(value) != value:
        raise refusal(shown(value), "the whole path of a file", "write it as /swapfile")
    if value.startswith(tuple(f"{each}/" for each in NOT_ON_DISK)):
        raise refusal(shown(value), "a file on the disk that lasts", "write it as /swapfile")
    return value


SwapSize = Annotated[int, Field(ge=64), Wanted("a size in MiB, 64 or more", "1024 is a usual one")]
Swappiness = Annotated[int, Field(ge=0, le=100), Wanted("a number from 0 to 100", "10 is good for a server")]
SwapPath = Annotated[str, AfterValidator(_path), Wanted("the whole path of a file", "write it as /swapfile")]


class Swap(Service):
    """One swap file of our own, its size in MiB."""

    size_mb: SwapSize
    swappiness: Swappiness = 10
    path: SwapPath = "/swapfile"

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield how eagerly the kernel swaps."""
        yield "vm.swappiness", str(self.swappiness)

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield a file that would take the disk from everything else."""
        if self.size_mb * 2 > host.disk_mb:
            yield self.problem(
                host,
                "size_mb",
                f"{self.size_mb} MiB of swap on a disk of {host.disk_mb} MiB",
                "half of the disk at most",
                f"lower it to {host.disk_mb // 2} or less, or correct disk_mb",
            )
