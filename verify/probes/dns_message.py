"""DNS messages as bytes (RFC 1035 section 4): a question to send, and a reader that no message can trap."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "CAA": 257}
NAMES = {number: name for name, number in TYPES.items()}
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
INTERNET = 1
HEADER = struct.Struct("!HHHHHH")
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSE = 0x8000, 0x0400, 0x0200, 0x0100
MOST_RECORDS = 500


class Malformed(ValueError):
    """What came is no DNS answer to the question; the message says why."""


@dataclass(frozen=True)
class Record:
    """One resource record; `value` in the form of a zone file."""

    name: str
    type: str
    ttl: int
    value: str


@dataclass(frozen=True)
class Message:
    """An answer: its code, whether it was cut short, its records."""

    code: str
    truncated: bool
    authoritative: bool
    answers: tuple[Record, ...]


def question(name: str, kind: str, number: int) -> bytes:
    """Return a query for one name and type with recursion desired. Raises ValueError for no such name."""
    head = HEADER.pack(number, RECURSE, 1, 0, 0, 0)
    return head + encoded(name) + struct.pack("!HH", TYPES[kind], INTERNET)


def encoded(name: str) -> bytes:
    """Return a name as labels (section 3.1): each at most 63 bytes, 255 in all."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")] if name.rstrip(".") else []
    if any(not 1 <= len(label) <= 63 for label in labels):
        raise ValueError(f"{name!r} is no name: each of its parts has 1 to 63 characters")
    data = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(data) > 255:
        raise ValueError(f"{name!r} is longer than a name may be")
    return data


def read(data: bytes, name: str, kind: str, number: int) -> Message:
    """Read the answer to a question. Raises Malformed for another question's, or a broken one."""
    if len(data) < HEADER.size:
        raise Malformed(f"{len(data)} bytes are no DNS message")
    found, flags, asked, answered, _, _ = HEADER.unpack_from(data)
    if found != number or not flags & RESPONSE:
        raise Malformed("it answers another question")
    code = CODES.get(flags & 15, str(flags & 15))
    at = HEADER.size
    if asked == 1:
        repeated, at = read_name(data, at)
        if (repeated.lower(), data[at : at + 4]) != (
            name.rstrip(".").lower(),
            struct.pack("!HH", TYPES[kind], INTERNET),
        ):
            raise Malformed("it repeats another question")
        at += 4
    elif code == "NOERROR":
        raise Malformed(f"it repeats {asked} questions instead of one")
    truncated = bool(flags & TRUNCATED)
    answers = () if truncated else _records(data, at, answered)
    return Message(code, truncated, bool(flags & AUTHORITATIVE), answers)


def _records(data: bytes, at: int, count: int) -> tuple[Record, ...]:
    if count > MOST_RECORDS:
        raise Malformed(f"it announces {count} records")
    records = []
    for _ in range(count):
        name, at = read_name(data, at)
        if at + 10 > len(data):
            raise Malformed("it ends within a record")
        kind, group, ttl, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if at + length > len(data):
            raise Malformed("it ends within a record's data")
        if group == INTERNET:
            records.append(Record(name, NAMES.get(kind, str(kind)), ttl, _value(data, at, length, kind)))
        at += length
    return tuple(records)


def read_name(data: bytes, at: int) -> tuple[str, int]:
    """Read a name and return it with the place behind it (section 4.1.4).

    A pointer must lead backwards, before everything read so far: no message can lead in circles.
    """
    labels: list[str] = []
    end, least, length = -1, at, 0
    while True:
        if at >= len(data):
            raise Malformed("it ends within a name")
        size = data[at]
        if size & 0xC0 == 0xC0:
            if at + 1 >= len(data):
                raise Malformed("it ends within a pointer")
            target = (size & 0x3F) << 8 | data[at + 1]
            if end < 0:
                end = at + 2
            if target >= least:
                raise Malformed("a name points forward or to itself")
            at = least = target
        elif size & 0xC0:
            raise Malformed("a label of an unknown kind")
        elif size == 0:
            return ".".join(labels), (at + 1 if end < 0 else end)
        else:
            length += size + 1
            if length > 254 or at + 1 + size > len(data):
                raise Malformed("a name that is too long")
            labels.append(_text(data[at + 1 : at + 1 + size]))
            at += 1 + size


def _text(raw: bytes) -> str:
    """Return bytes as a zone file writes them (section 5.1)."""
    return "".join(chr(c) if 33 <= c <= 126 and c not in b'."\\' else f"\\{c:03d}" for c in raw)


def _value(data: bytes, at: int, length: int, kind: int) -> str:
    raw = data[at : at + length]
    name = NAMES.get(kind)
    if name == "A" and length == 4:
        return str(IPv4Address(raw))
    if name == "AAAA" and length == 16:
        return str(IPv6Address(raw))
    if name in ("CNAME", "NS", "PTR"):
        return read_name(data, at)[0]
    if name == "MX" and length > 2:
        return f"{int.from_bytes(raw[:2], 'big')} {read_name(data, at + 2)[0]}"
    if name == "TXT":
        return _strings(raw)
    if name == "CAA" and length >= 2 and raw[1] + 2 <= length:  # RFC 8659 section 4.1
        return f'{raw[0]} {_text(raw[2 : 2 + raw[1]])} "{raw[2 + raw[1] :].decode("ascii", "replace")}"'
    if name in ("A", "AAAA", "MX", "CAA"):
        raise Malformed(f"a record {name} of {length} bytes")
    return f"\\# {length} {raw.hex()}"  # RFC 3597 section 5


def _strings(raw: bytes) -> str:
    parts, at = [], 0
    while at < len(raw):
        size = raw[at]
        if at + 1 + size > len(raw):
            raise Malformed("a text that is longer than its record")
        parts.append('"' + raw[at + 1 : at + 1 + size].decode("utf-8", "replace") + '"')
        at += 1 + size
    return " ".join(parts)
