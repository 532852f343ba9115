"""The dialplan's parts as its template wants them: what rings where, and what may be dialled."""

from __future__ import annotations

from dataclasses import dataclass

from inventories.model import Limits, Route, Tenant, Trunk

RECORDINGS = "/var/spool/asterisk/recordings"


def lines_of(trunk: Trunk) -> tuple[str, ...]:
    """Return the names of a trunk's endpoints: one for each server that calls are sent to."""
    return tuple(trunk.name if not place else f"{trunk.name}-backup" for place in range(len(trunk.servers)))


def recording(tenant: str) -> str:
    """Return what MixMonitor is told: a file a call, kept only when there was sound."""
    return f"{RECORDINGS}/{tenant}/${{STRFTIME(${{EPOCH}},UTC,%Y%m%dT%H%M%SZ)}}-${{UNIQUEID}}.wav,b"


@dataclass(frozen=True)
class Ring:
    """A number that a trunk brings, and whose it is."""

    did: str
    tenant: Tenant
    trunk: Trunk

    @property
    def seconds(self) -> int:
        """The longest call."""
        return min(self.tenant.limits.seconds, self.trunk.limits.seconds)

    @property
    def recording(self) -> str:
        """What MixMonitor is told."""
        return recording(self.tenant.name)


@dataclass(frozen=True)
class Way:
    """A route with its trunk."""

    route: Route
    trunk: Trunk
    seconds: int

    @property
    def lines(self) -> tuple[str, ...]:
        """The endpoints that are tried in turn."""
        return lines_of(self.trunk)

    @property
    def number(self) -> str:
        """What the trunk is asked for."""
        stripped = f"${{NUMBER:{self.route.strip}}}" if self.route.strip else "${NUMBER}"
        return f"{self.route.prepend or ''}{stripped}"


@dataclass(frozen=True)
class Plan:
    """What a tenant may dial."""

    name: str
    ways: tuple[Way, ...]
    barred: tuple[str, ...]
    limits: Limits
    emergency_id: str
    recording: str
