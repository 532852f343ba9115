"""The container engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.values import Count, Megabytes

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host


class Docker(Service):
    """Docker engine and Compose v2; published ports obey the declared openings."""

    source: Literal["distribution", "docker"] = "distribution"
    """Whose packages: the distribution's, or Docker's own repository (Ubuntu, Debian 12)."""
    log_max_mb: Megabytes = 10
    log_files: Count = 3
    """A container's log is rotated at log_max_mb; so many files stay."""

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield the engine: needrestart would restart what containers depend on."""
        yield "docker.service"
        yield "containerd.service"

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield a distribution whose own packages have no Compose v2."""
        if self.source == "distribution" and not host.release.engine:
            yield self.problem(
                host,
                "source",
                f"{host.os} brings Compose v1 only",
                "Compose v2",
                'write source="docker", or move the host to Debian 13',
            )
