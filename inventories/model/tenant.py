"""Tenants: whose numbers ring where, what they may dial, and what is kept of their calls."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from inventories.model.addresses import Address4, Network4
from inventories.model.record import Record
from inventories.model.trunk import Label, Limits, Number, Prefix
from inventories.model.values import Count, Megabytes, Port, Secret
from inventories.model.wanted import Wanted

Application = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
    Wanted("the name of a Stasis application", "write what the program registers as at ARI"),
]


PREMIUM = ("+1900", "+1976", "+4487", "+449", "+49900", "+870", "+881", "+882", "+883", "+979")
"""Numbers that pay whoever is called, and satellites: what toll fraud dials.

NANP 900 and 976, Ofcom 087 and 09, BNetzA 0900, ITU-T E.164 (shared and premium-rate codes).
"""
COUNTRIES_OF_ONE_DIGIT = ("+1", "+7")
"""ITU-T E.164, list of assigned country codes; the first digit of the others says hardly anything."""
BYTES_A_SECOND = 16000
"""Of a WAV file with 8000 samples of 16 bits a second."""


def mebibytes(minutes: int) -> int:
    """Return how much recordings of so many minutes take, in MiB."""
    return -(-minutes * 60 * BYTES_A_SECOND // 2**20)


class Recording(Record):
    """Recordings of a tenant's calls, one WAV file a call: 0.92 MiB a minute."""

    days: Count = 30
    """Older ones are deleted."""
    minutes_a_day: Count = 240
    """How long the tenant talks a day, to see that the quota is enough for all days."""
    quota_mb: Megabytes = 10240
    """The oldest are deleted when they take more."""


class Route(Record):
    """Which numbers a tenant may dial, over which trunk, and who is shown as the caller."""

    prefix: Prefix
    """Numbers that begin so; the longest prefix decides."""
    trunk: Label
    caller_id: Number
    strip: Annotated[int, Field(ge=0, le=15), Wanted("a number of digits (0-15)", "0 strips none")] = 0
    """So many digits are taken off the beginning before the trunk is asked."""
    prepend: Prefix | None = None
    """And these are put there."""
    premium: bool = False
    """Numbers that cost more than a call are meant."""

    @property
    def is_everything(self) -> bool:
        """The prefix says nothing: most of the world's numbers begin so."""
        digits = self.prefix.removeprefix("+")
        return (len(digits) == 1 and self.prefix not in COUNTRIES_OF_ONE_DIGIT) or set(digits) == {"0"}

    @property
    def barred(self) -> tuple[str, ...]:
        """What within the prefix is refused nevertheless."""
        return tuple(each for each in PREMIUM if each.startswith(self.prefix) and not self.premium)


class Tenant(Record):
    """Somebody with numbers of their own: nobody else's calls reach their contexts."""

    name: Label
    dids: tuple[Number, ...]
    """The numbers that ring here, as the carrier sends them."""
    trunk: Label
    """The trunk that brings them."""
    application: Application
    """The Stasis application that answers (ARI)."""
    recording: Recording | None = None
    routes: tuple[Route, ...] = ()
    limits: Limits = Limits()


class Emergency(Record):
    """Emergency numbers: sent to a trunk that takes them, or refused with an announcement to the caller."""

    numbers: Annotated[tuple[Number, ...], Field(min_length=1)] = ("112", "911", "999")
    trunk: Label | None = None
    refused: bool = False
    """Nobody takes them: say so to everybody who may dial."""


class Ari(Record):
    """The interface for applications (Asterisk REST Interface), with a generated password."""

    user: Label = "trunkline"
    password: Secret
    bind: Address4 = IPv4Address("127.0.0.1")
    """Loopback, or a private address that the applications' hosts reach."""
    port: Port = 8088
    sources: tuple[Network4, ...] = ()
    """Who may reach it where it is not bound to loopback."""


Right = Literal[
    "call", "originate", "reporting", "cdr", "dialplan", "user", "agent", "log", "verbose", "dtmf"
]
"""What an AMI user may; `system`, `command`, `config` and `all` would give the whole host away."""


class AmiUser(Record):
    """A program at the Manager Interface, with what it needs and nothing more."""

    name: Label
    password: Secret
    permit: tuple[Network4, ...] = (IPv4Network("127.0.0.1/32"),)
    """From where; everybody else is denied."""
    read: tuple[Right, ...] = ("call", "reporting")
    write: tuple[Right, ...] = ()


class Ami(Record):
    """The Manager Interface for programs that watch or begin calls."""

    users: Annotated[tuple[AmiUser, ...], Field(min_length=1)]
    bind: Address4 = IPv4Address("127.0.0.1")
    port: Port = 5038
