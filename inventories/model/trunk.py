"""Trunks: the carriers that bring and take calls, by their address or by registration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inventories.model.addresses import Network4
from inventories.model.names import ServerName
from inventories.model.record import Record
from inventories.model.values import Count, Port, Secret
from inventories.model.wanted import Wanted

Label = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9]{0,15}$"),
    Wanted("a name in the dialplan", "use up to 16 small letters and digits, a letter first"),
]
Number = Annotated[
    str,
    Field(pattern=r"^\+?[0-9]{2,15}$"),
    Wanted("a telephone number", "write it as the carrier sends it, such as +442079460123 (E.164)"),
]
Prefix = Annotated[
    str,
    Field(pattern=r"^(\+[1-9][0-9]{0,14}|[0-9]{1,15})$"),
    Wanted(
        "the beginning of numbers", "write digits, with + where they are dialled so: +44; never everything"
    ),
]
Codec = Annotated[
    Literal["ulaw", "alaw", "g722", "gsm", "g729", "opus"],
    Wanted("a codec", "write ulaw (North America) or alaw (elsewhere), which every carrier has"),
]
TRANSCODED = ("ulaw", "alaw", "g722", "gsm")
"""What a packaged Asterisk can turn into each other, and record. Others it only passes on as they are."""
Transport = Literal["udp", "tcp", "tls"]
SIP_PORTS: dict[str, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""RFC 3261, section 19.1.2."""


Length = Annotated[
    int,
    Field(ge=10, le=86400),
    Wanted("a number of seconds from 10 to 86400", "3600 is an hour"),
]


class Limits(Record):
    """What a party may cost: the bound of a fraud that gets through everything else."""

    calls: Count = 10
    """Simultaneous calls."""
    per_minute: Count = 30
    """New calls a minute."""
    seconds: Length = 3600
    """The longest call."""


class Trunk(Record):
    """What every trunk has."""

    name: Label
    transport: Transport = "udp"
    codecs: Annotated[tuple[Codec, ...], Field(min_length=1)] = ("ulaw", "alaw")
    """Offered in this order."""
    addresses: tuple[Network4, ...] = ()
    """Where its signalling comes from. Nothing named means anywhere: SIP is then open to everyone."""
    media: tuple[Network4, ...] = ()
    """Where its RTP comes from; nothing named means anywhere, as of most carriers."""
    numbers: tuple[Number, ...] = ()
    """What the carrier says it brings, to find the number that rings nowhere; nothing named: as mapped."""
    limits: Limits = Limits()

    @property
    def servers(self) -> tuple[tuple[str, str], ...]:
        """Where calls are sent, in this order, each by the name of its field."""
        fields = ((field, getattr(self, field, None)) for field in ("server", "primary", "backup"))
        return tuple((field, str(name)) for field, name in fields if name)


class AddressTrunk(Trunk):
    """A carrier that is known by its source addresses; it knows us by ours."""

    kind: Literal["address"] = "address"
    addresses: Annotated[tuple[Network4, ...], Field(min_length=1)]
    """All that its calls come from; nobody else is the trunk."""
    server: ServerName
    """Where calls to it are sent."""
    port: Port = 5060


class RegisteringTrunk(Trunk):
    """A carrier at whose registrar we register (RFC 3261, section 10), with a proxy in reserve."""

    kind: Literal["registration"] = "registration"
    user: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9._+-]{1,64}$"),
        Wanted("a SIP user name", "copy it from the carrier's portal"),
    ]
    password: Secret
    primary: ServerName
    backup: ServerName | None = None
    port: Port = 5060
    expiry: Annotated[
        int, Field(ge=60, le=86400), Wanted("a number of seconds from 60 to 86400", "300 is a good one")
    ] = 300
    """Seconds that a registration holds; it is renewed before, and tried for ever."""
