"""Unattended security upgrades, and what they may restart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventories.model.record import Service

ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Updates(Service):
    """Security upgrades every night; a reboot only where it is declared."""

    reboot_at: ClockTime | None = None
    """When a pending reboot may happen (host's local time), or None for never by itself."""
    remove_unused: bool = True
    blocked: tuple[str, ...] = ()
    """Packages that are never upgraded by themselves."""
