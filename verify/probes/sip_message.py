"""SIP requests and responses (RFC 3261 section 7): read from bytes, objected to, and built.

`read` takes what can be understood at all, `objections` says what else is wrong with it, `parse` is both. A
message costs at most 64 KiB and 256 header lines, however much a peer sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from verify.probes.sip_grammar import TOKEN, WHITE, Malformed, lines, number, split, token
from verify.probes.sip_headers import (
    COMPACT,
    LISTS,
    Address,
    Via,
    read_address,
    read_challenge,
    read_cseq,
    read_via,
)
from verify.probes.sip_uri import PORTS, read_uri

MOST = 1 << 16
"""Bytes of one message: no datagram has more."""
MOST_LINES = 256
VERSION = "SIP/2.0"
NEEDED = ("via", "from", "to", "call-id", "cseq")  # section 8.1.1, without what RFC 2543 did not have
SINGLE = (*NEEDED[1:], "max-forwards", "content-type", "content-length", "date", "expires")
BELOW = {"max-forwards": 256, "expires": 1 << 32, "min-expires": 1 << 32, "min-se": 1 << 32}
"""Headers of one number, and what it must be below (section 25.1, RFC 4028)."""
LONG = {"Call-Id": "Call-ID", "Cseq": "CSeq", "Www-Authenticate": "WWW-Authenticate", "Min-Se": "Min-SE",
        "Mime-Version": "MIME-Version"}  # fmt: skip
DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DATE = re.compile(rf"{DAY}, [0-9]{{2}} {MONTH} [0-9]{{4}} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}} GMT")


@dataclass(frozen=True, kw_only=True)
class Headers:
    """What requests and responses share: header fields as they stood, and a body."""

    headers: tuple[tuple[str, str], ...] = ()
    """Names in small letters and their long form; folded lines are one."""
    body: bytes = b""

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a header; those in one line each alone. Raises Malformed."""
        found = [value for key, value in self.headers if key == name.lower()]
        if name.lower() in LISTS:
            found = [part for value in found for part in (split(value, ",") if value else ())]
        return tuple(found)

    def header(self, name: str) -> str:
        """Return the first value of a header, empty where it is missing."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    @property
    def vias(self) -> tuple[Via, ...]:
        """The way that the message took, the last hop first. Raises Malformed."""
        return tuple(read_via(value) for value in self.values("via"))

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of the transaction. Raises Malformed."""
        return read_cseq(self.header("cseq"))

    def address(self, name: str) -> Address:
        """Return the address in From, To or the first Contact. Raises Malformed."""
        return read_address((*self.values(name), "")[0])


@dataclass(frozen=True)
class Request(Headers):
    """A request."""

    method: str
    uri: str


@dataclass(frozen=True)
class Response(Headers):
    """A response."""

    status: int
    phrase: str = ""

    @property
    def final(self) -> bool:
        """Whether no other follows in its transaction."""
        return self.status >= 200


Message: TypeAlias = Request | Response


def parse(data: bytes, *, stream: bool = False) -> Message:
    """Read one whole message that has nothing wrong with it. Raises Malformed with the first objection."""
    message = read(data, stream=stream)
    for objection in objections(message):
        raise objection
    return message


def read(data: bytes, *, stream: bool = False) -> Message:
    """Read one whole message, of a datagram or cut out of a stream. Raises Malformed.

    Bytes of a datagram behind the body are left aside (section 18.3).
    """
    if len(data) > MOST:
        raise Malformed("too large", f"the message has more than {MOST} bytes")
    head, blank, rest = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        raise Malformed("line", "no empty line ends the headers")
    first, headers = read_head(head)
    length = content_length(headers)
    if length is None and stream:
        raise Malformed("content length", "a message on a stream has no Content-Length")
    if length is not None and length > len(rest):
        raise Malformed("content length", f"Content-Length is {length}, the body has {len(rest)} bytes")
    return _message(first, headers, rest if length is None else rest[:length])


def read_head(head: bytes) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Read the start line and the headers. Raises Malformed."""
    if head.count(b"\r\n") > MOST_LINES:
        raise Malformed("too large", f"the message has more than {MOST_LINES} header lines")
    first, *others = lines(head)
    folded: list[list[str]] = []
    for line in others:
        if line[:1] in (" ", "\t") and folded:  # section 7.3.1
            folded[-1].append(line.strip(WHITE))
        else:
            folded.append([line])
    return first, tuple(_header(" ".join(parts)) for parts in folded)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(WHITE).lower()
    if not colon or not TOKEN.fullmatch(name):
        raise Malformed("header", f"{line[:60]!r} is no header")
    return COMPACT.get(name, name), value.strip(WHITE)


def content_length(headers: tuple[tuple[str, str], ...]) -> int | None:
    """Return what Content-Length says, None where there is none. Raises Malformed, also where two differ."""
    found = {value for name, value in headers if name == "content-length"}
    if len(found) > 1:
        raise Malformed("repeated header", "there are two Content-Length that differ")
    return number(found.pop(), "content length", "Content-Length", MOST) if found else None


def _message(first: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Message:
    if first[:4].upper() == "SIP/":
        version, _, rest = first.partition(" ")
        status, space, phrase = rest.partition(" ")
        _version(version)
        if not space or not re.fullmatch("[1-6][0-9][0-9]", status):
            raise Malformed("status", f"{first[:60]!r} has no status of three digits and a phrase")
        return Response(int(status), phrase, headers=headers, body=body)
    words = first.split(" ")
    if len(words) != 3 or not all(words):
        raise Malformed("start line", f"{first[:80]!r} is no method, URI and version with one space between")
    _version(words[2])
    return Request(token(words[0], "start line", "the method"), words[1], headers=headers, body=body)


def _version(text: str) -> None:
    if text.upper() != VERSION:
        raise Malformed("version", f"the version is {text[:20]!r}, not {VERSION}")


def objections(message: Message) -> Iterator[Malformed]:
    """Yield everything that is wrong with a message that could be read."""
    present = [name for name, _ in message.headers]
    for name in NEEDED:
        if name not in present:
            yield Malformed("missing header", f"there is no {title(name)}")
    for name in SINGLE:
        if present.count(name) > 1:
            yield Malformed("repeated header", f"there are {present.count(name)} {title(name)}")
    for look in (_start, _ways, _addresses, _sequence, _numbers, _challenges):
        yield from _raised(look, message)


def _raised(look: Callable[[Message], object], message: Message) -> Iterator[Malformed]:
    try:
        look(message)
    except Malformed as objection:
        yield objection


def _start(message: Message) -> None:
    if isinstance(message, Request):
        uri = read_uri(message.uri)
        if uri.headers and uri.scheme in PORTS:  # section 19.1.1
            raise Malformed("uri", f"the URI {message.uri[:80]!r} of a request has headers")


def _ways(message: Message) -> None:
    for value in message.values("via"):
        read_via(value)


def _addresses(message: Message) -> None:
    for name in ("from", "to", "contact", "route", "record-route", "refer-to", "reply-to"):
        for value in message.values(name):
            if value != "*" or name != "contact":
                read_address(value)


def _sequence(message: Message) -> None:
    if "cseq" in dict(message.headers):
        _, method = message.cseq
        if isinstance(message, Request) and method != message.method:
            raise Malformed("cseq", f"the request is {message.method}, its CSeq says {method}")


def _numbers(message: Message) -> None:
    for name, value in message.headers:
        if name in BELOW:
            number(value.partition(";")[0].rstrip(WHITE), "number", title(name), BELOW[name])
        elif name == "retry-after":
            number(re.split(r"[ \t;(]", value, maxsplit=1)[0], "number", title(name), 1 << 32)
        elif name == "warning":
            for part in split(value, ","):
                number(part.partition(" ")[0], "number", "Warning", 1000)
        elif name == "date" and not DATE.fullmatch(value):
            raise Malformed("date", f"Date {value[:60]!r} is no date in GMT")


def _challenges(message: Message) -> None:
    for name, value in message.headers:
        if name in ("www-authenticate", "proxy-authenticate", "authorization", "proxy-authorization"):
            read_challenge(value)


def build(message: Message) -> bytes:
    """Write a message; Content-Length is added where it is missing.

    Raises Malformed for a header or a start line that would not stay in its line.
    """
    first = (f"{message.method} {message.uri} {VERSION}" if isinstance(message, Request)
             else f"{VERSION} {message.status} {message.phrase}")  # fmt: skip
    headers = message.headers
    if "content-length" not in dict(headers):
        headers = (*headers, ("content-length", str(len(message.body))))
    written = [first, *(f"{title(name)}: {value}" for name, value in headers)]
    for line in written:
        if "\r" in line or "\n" in line:
            raise Malformed("line", f"a line would break in two: {line[:60]!r}")
    return "\r\n".join((*written, "", "")).encode("utf-8", "surrogateescape") + message.body


def title(name: str) -> str:
    """Return a header's name as it is usually written."""
    usual = "-".join(word.capitalize() for word in name.split("-"))
    return LONG.get(usual, usual)
