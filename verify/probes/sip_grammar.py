"""The small words of SIP's grammar (RFC 3261 section 25.1): tokens, quoted strings, parameters, lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal

Reason = Literal[
    "too large", "line", "start line", "version", "status", "uri", "header", "missing header",
    "repeated header", "content length", "number", "cseq", "via", "branch", "address", "date", "body",
]  # fmt: skip
"""What a message is refused for."""
Parameters = tuple[tuple[str, str | None], ...]
"""`;name=value`, and `;name` alone with None; values as they stand, quoted ones in their quotes."""

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\[\x00-\x7f])*"')
PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|<[^>"]*>|[^"<,;]+|.', re.DOTALL)
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
WHITE = " \t"


class Malformed(ValueError):
    """What was read is no SIP or SDP that can be used; `reason` says what of it."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def token(text: str, reason: Reason, what: str) -> str:
    """Return a token as it is. Raises Malformed for anything else."""
    if not TOKEN.fullmatch(text):
        raise Malformed(reason, f"{what} {text[:60]!r} is no token")
    return text


def number(text: str, reason: Reason, what: str, below: int) -> int:
    """Read a number of ASCII digits below a limit. Raises Malformed."""
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise Malformed(reason, f"{what} {text[:60]!r} is no number")
    if int(text) >= below:
        raise Malformed(reason, f"{what} {text} is not below {below}")
    return int(text)


def split(text: str, separator: str, reason: Reason = "header") -> list[str]:
    """Split a header's value at commas or semicolons that stand in no quotes and no angle brackets.

    Raises Malformed for a quote that does not end, and for an empty part.
    """
    parts = [""]
    for piece in (found[0] for found in PIECES.finditer(text)):
        if piece in ('"', "<"):  # the first one that does not end: what follows it is not looked at
            raise Malformed(reason, f"a quoted string or an angle bracket does not end: {text[:60]!r}")
        if piece != separator:
            parts[-1] += piece
        elif parts[-1].strip(WHITE):
            parts.append("")
        else:
            break
    parts = [part.strip(WHITE) for part in parts]
    if not all(parts):
        raise Malformed(reason, f"there is nothing between two separators: {text[:60]!r}")
    return parts


def parameters(parts: list[str], reason: Reason = "header") -> Parameters:
    """Read what `split` made of `;name=value;name`; names in small letters. Raises Malformed."""
    found: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = (each.strip(WHITE) for each in part.partition("="))
        token(name, reason, "the parameter")
        if equals and not (TOKEN.fullmatch(value) or QUOTED.fullmatch(value) or is_host(value)):
            raise Malformed(reason, f"the parameter {name} has the value {value[:60]!r}")
        found.append((name.lower(), value if equals else None))
    return tuple(found)


def written(given: Parameters) -> str:
    """Write parameters as `parameters` reads them."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in given)


def parameter(given: Parameters, name: str) -> str | None:
    """Return a parameter's value without its quotes: None where it is missing, "" where it has none."""
    values = (value for key, value in given if key == name)
    found = next(values, None)
    if found is None:
        return "" if any(key == name for key, _ in given) else None
    return unquoted(found)


def unquoted(text: str) -> str:
    """Return what a quoted string means; anything else as it is."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if QUOTED.fullmatch(text) else text


def quoted(text: str) -> str:
    """Return a text as a quoted string."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def is_host(text: str) -> bool:
    """Say whether this is a host name, an IPv4 address, or an IPv6 address with or without brackets.

    RFC 3261 section 25.1 with the IPv6 of RFC 5954; without brackets as RFC 5118 section 4.5 wants it read.
    """
    if text.startswith("[") and text.endswith("]"):
        return is_address(text[1:-1], 6)
    if ":" in text:
        return is_address(text, 6)
    labels = text.removesuffix(".").split(".")
    if len(text) > 255 or not all(LABEL.fullmatch(label) for label in labels):
        return False
    return not labels[-1][0].isdigit() or is_address(text, 4)


def is_address(text: str, version: int) -> bool:
    """Say whether this is an IP address of that version."""
    try:
        return (IPv4Address if version == 4 else IPv6Address)(text) is not None and "%" not in text
    except AddressValueError:
        return False


def host_port(text: str, reason: Reason) -> tuple[str, int | None]:
    """Read `host` or `host:port`; an IPv6 address needs its brackets and loses them. Raises Malformed."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host, colon, port = f"{host}{bracket}", rest[:1], rest[1:]
        good = is_host(host) and colon in ("", ":")
    else:
        host, colon, port = (each.strip(WHITE) for each in text.partition(":"))
        good = is_host(host)
    if not good or (colon and not port.strip(WHITE)):
        raise Malformed(reason, f"{text[:80]!r} is no host and port")
    return host.strip("[]"), number(port.strip(WHITE), reason, "the port", 65536) if colon else None


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def lines(data: bytes) -> Iterator[str]:
    """Yield lines that end with CRLF, as UTF-8 with whatever is none of it kept. Raises Malformed."""
    for line in data.split(b"\r\n"):
        if b"\r" in line or b"\n" in line:
            raise Malformed("line", f"a line ends with no CRLF: {line[:60]!r}")
        yield line.decode("utf-8", "surrogateescape")
