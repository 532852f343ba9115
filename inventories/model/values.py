"""Values that several services share: ports, openings, jails, keys, secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer, model_validator

from inventories.model.addresses import Network
from inventories.model.keys import PublicKey
from inventories.model.record import Record
from inventories.model.wanted import Wanted, refusal

__all__ = [
    "ControllerKey",
    "Count",
    "Jail",
    "Megabytes",
    "Network",
    "Opening",
    "Port",
    "PortRange",
    "Protocol",
    "PublicKey",
    "Seconds",
    "Secret",
]

Port = Annotated[int, Field(ge=1, le=65535), Wanted("a port (1-65535)", "write a number from 1 to 65535")]
Megabytes = Annotated[int, Field(ge=1), Wanted("a size in MiB", "write a whole number, 1 or more")]
Seconds = Annotated[int, Field(ge=0), Wanted("a number of seconds", "write a whole number, 0 or more")]
Count = Annotated[int, Field(ge=1), Wanted("a count", "write a whole number, 1 or more")]
Protocol = Literal["tcp", "udp"]


class PortRange(Record):
    """Ports from first to last, both included."""

    first: Port
    last: Port

    @model_validator(mode="after")
    def _ordered(self) -> PortRange:
        if self.last < self.first:
            remedy = "write the lower port as first, the higher as last"
            raise refusal(f"{self.first}-{self.last}", "a range of ports", remedy)
        return self

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: PortRange) -> bool:
        """Say whether one port is in both ranges."""
        return self.first <= other.last and other.first <= self.last


class Opening(Record):
    """Ports that must be reachable, by whom, and why. No source means everyone."""

    ports: PortRange
    protocol: Protocol
    sources: tuple[Network, ...] = ()
    why: str

    @classmethod
    def port(cls, port: int, protocol: Protocol, why: str, sources: Iterable[Network | str] = ()) -> Opening:
        """Return the opening of a single port."""
        return cls(ports=PortRange(first=port, last=port), protocol=protocol, why=why, sources=tuple(sources))

    def __str__(self) -> str:
        return f"{self.protocol} {self.ports} ({self.why})"

    def sources_of(self, version: Literal[4, 6]) -> tuple[Network, ...]:
        """Return the sources of one address family."""
        return tuple(source for source in self.sources if source.version == version)

    def admits(self, version: Literal[4, 6]) -> bool:
        """Say whether anyone of this address family may come in."""
        return not self.sources or bool(self.sources_of(version))


class Jail(Record):
    """A fail2ban jail: which log it reads, which ports a banned address loses, and when."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    filter: str
    openings: tuple[Opening, ...]
    log: str | None = None
    """A log file, or None for the systemd journal."""
    journal_match: str | None = None
    max_retry: Count = 5
    find_time: Seconds = 600
    ban_time: Seconds = 3600
    never: tuple[str, ...] = ()
    """Names whose addresses it never bans, beside the networks that the host trusts."""


class Secret(Record):
    """A reference to a value in the environment's secrets; never the value itself."""

    name: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9_]*$"),
        Wanted("a secret's name", "use small letters, digits and underscores, a letter first"),
    ]

    @model_validator(mode="before")
    @classmethod
    def _referred(cls, given: Any) -> Any:
        """Refuse a value where its name belongs, without repeating it."""
        if isinstance(given, str | bytes):
            remedy = (
                'write Secret(name="..."), and give the value to `invoke secrets.set NAME`;'
                " what stood here is no secret any more"
            )
            raise refusal("a value in plain text", "a reference to a secret", remedy, bare=False)
        return given

    @model_serializer
    def _starred(self) -> str:
        return f"*** ({self.name})"

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return f"Secret({self.name}=***)"


class ControllerKey(Record):
    """Stands for the public half of the key that the twin's controller makes on each machine."""

    @model_serializer
    def _said(self) -> str:
        return "the controller's own key"
