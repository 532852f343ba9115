"""A certificate that a host needs from the ACME authority."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from inventories.model.names import DomainName
from inventories.model.record import Record
from inventories.model.wanted import refusal, shown

MOST = 100
"""How many names Let's Encrypt puts into one certificate."""


def _provable(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("*"):
        remedy = "write each name out: only DNS records prove a wildcard, and no host here writes those"
        raise refusal(shown(value), "a name that a web server can prove", remedy)
    return value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > MOST:
        remedy = "split them, each part with the names that belong together"
        raise refusal(f"{len(names)} names", f"at most {MOST} in one certificate", remedy, bare=False)
    for name, times in Counter(names).items():
        if times > 1:
            remedy = "take the others out"
            raise refusal(f"{name} stands here {times} times", "each name once", remedy, bare=False)
    return names


Names = Annotated[
    tuple[Annotated[DomainName, BeforeValidator(_provable)], ...],
    Field(min_length=1),
    AfterValidator(_distinct),
]


class Certificate(Record):
    """Names that are proven together; the first one names the certificate."""

    names: Names
    why: str
    """Who serves it."""

    @property
    def name(self) -> str:
        """What the certificate is called."""
        return self.names[0]
