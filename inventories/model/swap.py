"""Swap space, where it is declared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventories.model.record import Service


class Swap(Service):
    """One swap file of our own."""

    size_mb: Annotated[int, Field(ge=64)]
    swappiness: Annotated[int, Field(ge=0, le=100)] = 10
    path: str = "/swapfile"
