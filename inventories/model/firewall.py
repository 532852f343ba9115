"""UFW, reconciled to exactly the openings that the services contribute."""

from __future__ import annotations

from typing import Literal

from inventories.model.record import Record, Service
from inventories.model.values import Network, Opening


class Forward(Record):
    """Traffic that a host passes on between two networks (a tunnel's two sides)."""

    source: Network
    destination: Network
    why: str


class Firewall(Service):
    """What the firewall adds to the services' own openings."""

    extra: tuple[Opening, ...] = ()
    """Openings that no service of ours contributes."""
    logging: Literal["off", "low", "medium", "high", "full"] = "low"
    forwards: tuple[Forward, ...] = ()
    answer_ping: bool = True
