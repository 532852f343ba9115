"""A certificate that a host needs from the ACME authority."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventories.model.names import DomainName
from inventories.model.record import Record


class Certificate(Record):
    """Names that are proven together; the first one names the certificate."""

    names: Annotated[tuple[DomainName, ...], Field(min_length=1, max_length=100)]
    why: str
    """Who serves it."""

    @property
    def name(self) -> str:
        """What the certificate is called."""
        return self.names[0]
