"""Session descriptions (SDP, RFC 8866 and the older RFC 4566): read, built, and what they say of media."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from verify.probes.sip_grammar import Malformed, is_address, is_host, lines, number
from verify.probes.sip_message import Message

MOST_MEDIA = 64
MOST_LINES = 1000
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
STATIC = {
    0: ("PCMU", 8000), 3: ("GSM", 8000), 4: ("G723", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000),
    13: ("CN", 8000), 18: ("G729", 8000),
}  # fmt: skip
"""Payload types that need no rtpmap (RFC 3551 section 6)."""
SESSION_LETTERS, MEDIA_LETTERS = "vosiuepcbtrzka", "icbka"

Attributes = tuple[tuple[str, str | None], ...]
"""`a=name:value`, and `a=name` with None."""


@dataclass(frozen=True)
class Connection:
    """An address as `c=` and `o=` write it."""

    address: str
    """With `/ttl` behind it where it is multicast."""
    kind: str = "IP4"

    def __str__(self) -> str:
        return f"IN {self.kind} {self.address}"


@dataclass(frozen=True)
class Origin:
    """Who made the description, and which of its versions it is."""

    connection: Connection
    session: int = 1
    version: int = 1
    user: str = "-"


@dataclass(frozen=True)
class Codec:
    """A payload type and what it carries (rtpmap)."""

    number: int
    name: str
    clock: int = 8000
    channels: int = 1

    def __str__(self) -> str:
        return f"{self.name}/{self.clock}{f'/{self.channels}' if self.channels > 1 else ''}"


@dataclass(frozen=True)
class Media:
    """One `m=` section."""

    kind: str
    port: int
    """0: refused (RFC 3264 section 6)."""
    formats: tuple[str, ...]
    protocol: str = "RTP/AVP"
    ports: int = 1
    connections: tuple[Connection, ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    """Lines of the letters i, b and k."""
    attributes: Attributes = ()

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The codecs in the order of preference; a payload type that nothing explains is left out."""
        found = {number: Codec(number, *known) for number, known in STATIC.items()}
        for name, value in self.attributes:
            if name == "rtpmap" and (said := re.fullmatch(RTPMAP, value or "")):
                found[int(said[1])] = Codec(int(said[1]), said[2], int(said[3]), int(said[4] or 1))
        return tuple(found[int(each)] for each in self.formats if each.isdecimal() and int(each) in found)

    def attribute(self, name: str) -> str | None:
        """Return an attribute's value: None where it is missing, "" where it has none."""
        return next((value or "" for key, value in self.attributes if key == name), None)


RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9\-.+_]+)/([0-9]{1,9})(?:/([0-9]{1,3}))?")


@dataclass(frozen=True)
class Session:
    """A whole description."""

    origin: Origin
    connection: Connection | None = None
    media: tuple[Media, ...] = ()
    name: str = "-"
    others: tuple[tuple[str, str], ...] = ()
    """Lines of the letters i, u, e, p, b and k."""
    times: tuple[tuple[str, str], ...] = field(default=(("t", "0 0"),))
    attributes: Attributes = ()

    def address(self, media: Media) -> str:
        """Return where a section's media is to be sent, without what follows a slash."""
        said = (*media.connections, *((self.connection,) if self.connection else ()))
        return said[0].address.partition("/")[0] if said else ""

    def direction(self, media: Media) -> str:
        """Return sendrecv, sendonly, recvonly or inactive (RFC 8866 section 6.7)."""
        names = [name for name, _ in (*media.attributes, *self.attributes) if name in DIRECTIONS]
        return names[0] if names else DIRECTIONS[0]

    def audio(self) -> Media | None:
        """Return the first audio section that is not refused."""
        return next((each for each in self.media if each.kind == "audio" and each.port), None)


def read_sdp(data: bytes) -> Session:
    """Read a description. Raises Malformed with the reason "body".

    Lines may stand in another order than RFC 8866 section 5 wants, as long as sections stay sections, and
    may end with a line feed alone, as the RFC asks of readers.
    """
    text = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    try:
        read = [_line(line) for line in lines(text.removesuffix(b"\r\n"))]
    except Malformed as error:
        raise Malformed("body", f"SDP: {error}") from error
    if len(read) > MOST_LINES:
        raise Malformed("body", f"SDP of {len(read)} lines")
    starts = [at for at, (letter, _) in enumerate(read) if letter == "m"]
    if len(starts) > MOST_MEDIA:
        raise Malformed("body", f"SDP with {len(starts)} media sections")
    ends = [*starts[1:], len(read)][: len(starts)]
    media = tuple(_media(read[start:end]) for start, end in zip(starts, ends, strict=True))
    return _session(read[: starts[0]] if starts else read, media)


def described(message: Message) -> Session | None:
    """Return the description in a message, None where it has none. Raises Malformed."""
    kind = message.header("content-type").partition(";")[0].strip().lower()
    return read_sdp(message.body) if kind == "application/sdp" and message.body else None


def _line(line: str) -> tuple[str, str]:
    if not re.match("[a-z]=", line):
        raise Malformed("body", f"SDP has the line {line[:40]!r}")
    return line[0], line[2:]


def _session(read: list[tuple[str, str]], media: tuple[Media, ...]) -> Session:
    _known(read, SESSION_LETTERS)
    one = {letter: [value for key, value in read if key == letter] for letter in "vosct"}
    if one["v"] != ["0"] or len(one["o"]) != 1 or len(one["s"]) != 1 or len(one["c"]) > 1 or not one["t"]:
        raise Malformed("body", "SDP needs one v=0, one o=, one s=, a t=, and at most one c= before media")
    return Session(
        _origin(one["o"][0]),
        _connection(one["c"][0]) if one["c"] else None,
        media,
        one["s"][0],
        tuple(pair for pair in read if pair[0] in "iuepbk"),
        tuple(pair for pair in read if pair[0] in "trz"),
        _attributes(read),
    )


def _media(read: list[tuple[str, str]]) -> Media:
    _known(read[1:], MEDIA_LETTERS)
    words = read[0][1].split(" ")
    if len(words) < 4 or not all(words):
        raise Malformed("body", f"SDP has the media line {read[0][1][:60]!r}")
    port, slash, ports = words[1].partition("/")
    return Media(
        words[0],
        number(port, "body", "the media port", 65536),
        tuple(words[3:]),
        words[2],
        number(ports, "body", "the number of media ports", 65536) if slash else 1,
        tuple(_connection(value) for letter, value in read if letter == "c"),
        tuple(pair for pair in read if pair[0] in "ibk"),
        _attributes(read),
    )


def _known(read: list[tuple[str, str]], letters: str) -> None:
    for letter, value in read:
        if letter not in letters:
            raise Malformed("body", f"SDP has {letter}={value[:40]!r} where it cannot stand")


def _attributes(read: list[tuple[str, str]]) -> Attributes:
    pairs = (value.partition(":") for letter, value in read if letter == "a")
    return tuple((name, value if colon else None) for name, colon, value in pairs)


def _origin(text: str) -> Origin:
    words = text.split(" ", 3)
    if len(words) != 4:
        raise Malformed("body", f"SDP has the origin {text[:60]!r}")
    session, version = (number(word, "body", "a number of the origin", 1 << 64) for word in words[1:3])
    return Origin(_connection(words[3]), session, version, words[0])


def _connection(text: str) -> Connection:
    words = text.split(" ")
    if len(words) == 3 and words[0] == "IN" and words[1] in ("IP4", "IP6"):
        address = words[2].partition("/")[0]
        named = is_host(address) and ":" not in address and not is_address(address, 4)
        if named or is_address(address, int(words[1][2])):
            return Connection(words[2], words[1])
    raise Malformed("body", f"SDP has the address {text[:60]!r}")


def build_sdp(session: Session) -> bytes:
    """Write a description in the order of RFC 8866 section 5. Raises Malformed for a broken line."""
    made = session.origin
    written = ["v=0", f"o={made.user} {made.session} {made.version} {made.connection}", f"s={session.name}"]
    written += [f"{letter}={value}" for letter, value in session.others if letter in "iuep"]
    written += [f"c={session.connection}"] if session.connection else []
    written += [f"{letter}={value}" for letter, value in session.others if letter == "b"]
    written += [f"{letter}={value}" for letter, value in session.times]
    written += [f"{letter}={value}" for letter, value in session.others if letter == "k"]
    written += _written(session.attributes)
    for each in session.media:
        many = f"/{each.ports}" if each.ports != 1 else ""
        written.append(f"m={each.kind} {each.port}{many} {each.protocol} {' '.join(each.formats)}")
        written += [f"{letter}={value}" for letter, value in each.others if letter == "i"]
        written += [f"c={connection}" for connection in each.connections]
        written += [f"{letter}={value}" for letter, value in each.others if letter != "i"]
        written += _written(each.attributes)
    for line in written:
        if "\r" in line or "\n" in line:
            raise Malformed("body", f"a line would break in two: {line[:60]!r}")
    return "\r\n".join((*written, "")).encode("utf-8", "surrogateescape")


def _written(attributes: Attributes) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]
