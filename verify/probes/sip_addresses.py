"""Which addresses a SIP message carries, and which of them nobody outside can reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from verify.probes.sip_grammar import Malformed
from verify.probes.sip_headers import read_address
from verify.probes.sip_message import Message, Request
from verify.probes.sip_sdp import Session, described

PRIVATE = tuple(map(ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
)))  # fmt: skip
"""RFC 1918, 6598, 3927, 4193, 4291 and loopback; not the ranges for documentation, which a twin may use."""
NAMED = ("contact", "record-route", "route", "p-asserted-identity")


@dataclass(frozen=True)
class Carried:
    """One address in a message."""

    where: str
    """Such as "Contact", "Via received", "SDP c="."""
    host: str
    port: int = 0
    private: bool = False
    """Nobody outside its own network reaches it; a name is never said to be private."""


def private(host: str) -> bool:
    """Say whether an address belongs to a private network; False for a name."""
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in net for net in PRIVATE)


def carried(message: Message) -> tuple[Carried, ...]:
    """Return every address of a message, of what can be read of it."""
    found: list[Carried] = []
    for part in (_ways, _contacts, _described):
        try:
            found += [Carried(where, host, port, private(host)) for where, host, port in part(message)]
        except Malformed:
            continue
    return tuple(found)


def _ways(message: Message) -> Iterator[tuple[str, str, int]]:
    for via in message.vias:
        if isinstance(message, Request):  # a response's are those that the asker wrote
            yield "Via", via.host, via.port or 0
        if via.received:
            yield "Via received", via.received, via.rport or 0


def _contacts(message: Message) -> Iterator[tuple[str, str, int]]:
    for name in NAMED:
        for value in message.values(name):
            uri = read_address(value).uri if value != "*" else None
            if uri and uri.host:
                yield name.title(), uri.host, uri.port or 0


def _described(message: Message) -> Iterator[tuple[str, str, int]]:
    session = described(message)
    if session:
        yield from of_session(session)


def of_session(session: Session) -> Iterator[tuple[str, str, int]]:
    """Yield where, address and port of everything that a description says."""
    yield "SDP o=", _bare(session.origin.connection.address), 0
    if session.connection:
        yield "SDP c=", _bare(session.connection.address), 0
    for media in session.media:
        for each in media.connections:
            yield f"SDP {media.kind} c=", _bare(each.address), media.port
        for name, value in media.attributes:
            words = (value or "").split()
            if name == "candidate" and len(words) >= 6:  # RFC 8839 section 5.1
                yield "SDP candidate", words[4], int(words[5]) if words[5].isdecimal() else 0
            elif name == "rtcp" and len(words) == 4:  # RFC 3605
                yield "SDP rtcp", words[3], int(words[0]) if words[0].isdecimal() else 0


def _bare(address: str) -> str:
    return address.partition("/")[0]
