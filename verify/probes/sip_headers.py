"""Header fields of SIP that have parts: Via, addresses, CSeq, challenges (RFC 3261 section 20)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verify.probes.sip_grammar import (
    QUOTED,
    WHITE,
    Malformed,
    Parameters,
    bracketed,
    host_port,
    number,
    parameter,
    parameters,
    quoted,
    split,
    token,
    unquoted,
    written,
)
from verify.probes.sip_uri import Uri, read_uri

COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7
COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "n": "identity-info", "o": "event", "r": "refer-to",
    "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
"""Short names and what they stand for (IANA, SIP Parameters)."""
LISTS = {"via", "contact", "route", "record-route", "allow", "supported", "require", "proxy-require",
         "unsupported", "accept"}  # fmt: skip
"""Headers whose values may stand in one line, with commas between them."""


@dataclass(frozen=True)
class Via:
    """One hop of a message's way (RFC 3261 section 20.42)."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = ()

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {bracketed(self.host)}{port}{written(self.parameters)}"

    @property
    def branch(self) -> str:
        """The transaction's name, empty where it is missing."""
        return parameter(self.parameters, "branch") or ""

    @property
    def received(self) -> str:
        """The address that the peer saw the message come from, where it says so (RFC 3581)."""
        return (parameter(self.parameters, "received") or "").strip("[]")

    @property
    def rport(self) -> int | None:
        """The port that the peer saw the message come from, where it says so (RFC 3581)."""
        text = parameter(self.parameters, "rport") or ""
        return int(text) if re.fullmatch(r"[0-9]{1,5}", text) else None


@dataclass(frozen=True)
class Address:
    """A name and a URI (name-addr or addr-spec): From, To, Contact, Route."""

    uri: Uri
    display: str = ""
    parameters: Parameters = ()

    def __str__(self) -> str:
        name = f"{quoted(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{written(self.parameters)}"

    @property
    def tag(self) -> str:
        """The half of the dialog's name that this side chose, empty where it has not."""
        return parameter(self.parameters, "tag") or ""


@dataclass(frozen=True)
class Challenge:
    """What a WWW-Authenticate or Authorization header says: its scheme and parameters without quotes."""

    scheme: str
    parameters: dict[str, str]


def read_via(text: str) -> Via:
    """Read one Via value. Raises Malformed with the reason "via" or "branch"."""
    first, *rest = split(text, ";", "via")
    protocol = re.match(r"([^\s/]+)[ \t]*/[ \t]*([^\s/]+)[ \t]*/[ \t]*([^\s/]+)[ \t]+", first)
    if not protocol or f"{protocol[1]}/{protocol[2]}".upper() != "SIP/2.0":
        raise Malformed("via", f"Via {text[:60]!r} does not start with SIP/2.0 and a transport")
    where = host_port(first[protocol.end() :].strip(WHITE), "via")
    via = Via(token(protocol[3], "via", "the transport"), *where, parameters(rest, "via"))
    if via.branch == COOKIE:
        raise Malformed("branch", "Via has a branch of the cookie alone, which names no transaction")
    return via


def read_address(text: str) -> Address:
    """Read one From, To, Contact or Route value. Raises Malformed with the reason "address" or "uri"."""
    head, *rest = split(text, ";", "address")
    if "<" not in head:
        return _bare(text, head, rest)
    named = re.fullmatch(r'((?:"(?:[^"\\]|\\.)*+"[ \t]*+)|[^"<]*+)<([^<>]*+)>', head, re.DOTALL)
    if not named:
        raise Malformed("address", f"{text[:80]!r} is no name and address in angle brackets")
    display = named[1].strip(WHITE)
    if not QUOTED.fullmatch(display):
        for word in display.split():
            token(word, "address", "the display name")
    return Address(read_uri(named[2]), unquoted(display), parameters(rest, "address"))


def _bare(text: str, head: str, rest: list[str]) -> Address:
    """Read an address without brackets: what follows a semicolon is then the header's (section 20)."""
    uri = read_uri(head)
    if uri.headers or "," in head:
        raise Malformed("address", f"{text[:80]!r} needs angle brackets around its URI")
    return Address(uri, "", parameters(rest, "address"))


def read_cseq(text: str) -> tuple[int, str]:
    """Read a CSeq value: number and method. Raises Malformed with the reason "cseq"."""
    words = text.split()
    if len(words) != 2:
        raise Malformed("cseq", f"CSeq {text[:60]!r} is no number and method")
    return number(words[0], "cseq", "CSeq", 1 << 31), token(words[1], "cseq", "CSeq's method")


def read_challenge(text: str) -> Challenge:
    """Read one challenge or its answer (RFC 3261 sections 20.44 and 20.7). Raises Malformed."""
    scheme, _, rest = text.strip(WHITE).partition(" ")
    token(scheme, "header", "the scheme")
    found: dict[str, str] = {}
    for part in split(rest, ",") if rest.strip(WHITE) else ():
        name, equals, value = (each.strip(WHITE) for each in part.partition("="))
        if not equals:
            raise Malformed("header", f"{part[:60]!r} in a challenge has no value")
        found.setdefault(token(name, "header", "the parameter").lower(), unquoted(value))
    return Challenge(scheme, found)
