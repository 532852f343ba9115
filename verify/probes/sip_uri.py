"""SIP and SIPS URIs (RFC 3261 section 19.1, RFC 5954); of any other scheme only that it is a URI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verify.probes.sip_grammar import Malformed, Parameters, bracketed, host_port, parameter, written

PLAIN = r"A-Za-z0-9\-_.!~*'()"
ESCAPED = r"%[0-9A-Fa-f]{2}"
USER = re.compile(rf"(?:[{PLAIN}&=+$,;?/]|{ESCAPED})+")
PASSWORD = re.compile(rf"(?:[{PLAIN}&=+$,]|{ESCAPED})*")
PARAMETER = re.compile(rf"(?:[{PLAIN}\[\]/:&+$]|{ESCAPED})+")
HEADERS = re.compile(rf"(?:[{PLAIN}\[\]/?:+$&=]|{ESCAPED})+")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
OTHER = re.compile(rf"(?:[{PLAIN};/?:@&=+$,\[\]#]|{ESCAPED})+")
"""What stands behind the colon of a URI of another scheme (RFC 3986 section 2)."""
PORTS = {"sip": 5060, "sips": 5061}


@dataclass(frozen=True)
class Uri:
    """A URI in its parts, escapes left as they are."""

    scheme: str
    host: str = ""
    """An IPv6 address without brackets."""
    user: str | None = None
    password: str | None = None
    port: int | None = None
    parameters: Parameters = ()
    headers: str = ""
    """What stands behind the question mark."""
    opaque: str = ""
    """All behind the colon where the scheme is neither sip nor sips."""

    def __str__(self) -> str:
        if self.scheme not in PORTS:
            return f"{self.scheme}:{self.opaque}"
        word = "" if self.password is None else f":{self.password}"
        user = "" if self.user is None else f"{self.user}{word}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{bracketed(self.host)}{port}{written(self.parameters)}{headers}"

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value: None where it is missing, "" where it has none."""
        return parameter(self.parameters, name)


def read_uri(text: str) -> Uri:
    """Read a URI. Raises Malformed with the reason "uri"."""
    scheme, colon, rest = text.partition(":")
    if not colon or not SCHEME.fullmatch(scheme):
        raise _wrong(text, "it has no scheme")
    if (low := scheme.lower()) not in PORTS:
        if not OTHER.fullmatch(rest):
            raise _wrong(text, "it has characters that no URI has")
        return Uri(low, opaque=rest)
    user, at, place = rest.rpartition("@")
    place, question, headers = place.partition("?")
    host, *words = place.split(";")
    name, password = _user(text, user) if at else (None, None)
    if question and not HEADERS.fullmatch(headers):
        raise _wrong(text, "its headers are not escaped")
    where = host_port(host, "uri")
    return Uri(low, where[0], name, password, where[1], _parameters(text, words), headers)


def _user(text: str, user: str) -> tuple[str, str | None]:
    name, colon, password = user.partition(":")
    if not USER.fullmatch(name) or not PASSWORD.fullmatch(password):
        raise _wrong(text, "its user is not escaped")
    return name, password if colon else None


def _parameters(text: str, words: list[str]) -> Parameters:
    found: list[tuple[str, str | None]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not PARAMETER.fullmatch(name) or (equals and not PARAMETER.fullmatch(value)):
            raise _wrong(text, f"its parameter {word[:30]!r} is none")
        found.append((name.lower(), value if equals else None))
    return tuple(found)


def _wrong(text: str, why: str) -> Malformed:
    return Malformed("uri", f"{text[:80]!r} is no URI: {why}")
