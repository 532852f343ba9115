"""How much log a host keeps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventories.model.record import Service


class Journal(Service):
    """Limits of the systemd journal (journald.conf(5))."""

    max_use_mb: Annotated[int, Field(ge=16)] = 500
    keep_free_mb: Annotated[int, Field(ge=16)] = 500
    max_retention_days: Annotated[int, Field(ge=1)] = 30
