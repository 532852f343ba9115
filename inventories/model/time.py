"""The clock: where a host takes its time from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventories.model.record import Service


class Time(Service):
    """chrony and the time zone."""

    servers: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "0.pool.ntp.org",
        "1.pool.ntp.org",
        "2.pool.ntp.org",
    )
    zone: str = "Etc/UTC"
    max_offset: Annotated[float, Field(gt=0)] = 0.5
    """Seconds the clock may be off before it is a failure."""
