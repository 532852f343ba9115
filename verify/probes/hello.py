"""TLS handshake messages as bytes: a ClientHello to send, and what a server's first words say.

Own reader and writer (RFC 8446 section 4, RFC 5246 section 7.4, RFC 6101 for SSL 3.0), so that neither the
local OpenSSL's policy nor its repertoire decides what can be asked or seen.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from dataclasses import dataclass, replace
from typing import Literal

VERSIONS = {"SSLv3": 0x0300, "TLSv1.0": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
GROUPS = {
    "X25519MLKEM768": 0x11EC, "x25519": 0x001D, "secp256r1": 0x0017, "secp384r1": 0x0018,
    "secp521r1": 0x0019, "x448": 0x001E, "ffdhe2048": 0x0100, "ffdhe3072": 0x0101, "ffdhe4096": 0x0102,
}  # fmt: skip
"""Named groups (RFC 8446 section 4.2.7; X25519MLKEM768: draft-ietf-tls-ecdhe-mlkem)."""
ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
    40: "handshake_failure", 42: "bad_certificate", 47: "illegal_parameter", 49: "access_denied",
    50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
    80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension",
    110: "unsupported_extension", 112: "unrecognized_name", 116: "certificate_required",
    120: "no_application_protocol",
}  # fmt: skip
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
"""The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3)."""
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601,
              0x0203, 0x0201)  # fmt: skip
ALERT, HANDSHAKE = 21, 22
SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE = 2, 11, 12, 14
LARGEST_RECORD = 16384 + 2048  # RFC 5246 section 6.2.3
LARGEST_MESSAGE = 1 << 16
Kind = Literal["hello", "retry", "alert", "closed", "silent", "garbled"]


class Garbled(ValueError):
    """What came is no TLS handshake; the message says what is wrong with it."""


@dataclass(frozen=True)
class Answer:
    """What a server said to a ClientHello."""

    kind: Kind
    version: int = 0
    cipher: int = 0
    group: int | None = None
    alpn: str = ""
    alert: str = ""
    certificates: tuple[bytes, ...] = ()
    """DER, as served; only TLS 1.2 and older show it in clear."""
    why: str = ""

    @property
    def accepted(self) -> bool:
        """Say whether the server went on with what was offered."""
        return self.kind in ("hello", "retry")

    def __str__(self) -> str:
        """Return it in words."""
        if self.accepted:
            return "accepted"
        return f"alert {self.alert}" if self.kind == "alert" else self.why or self.kind


def client_hello(
    version: int,
    ciphers: tuple[int, ...],
    groups: tuple[int, ...],
    *,
    name: str = "",
    alpn: tuple[str, ...] = (),
) -> bytes:
    """Return a ClientHello in one record (RFC 8446 section 4.1.2).

    For TLS 1.3 no key share is sent: a server that takes one of the groups must then ask for it by a
    HelloRetryRequest (section 4.2.8), so that groups can be asked for which no key was made. An empty
    `name` sends no server name (RFC 6066 section 3).
    """
    body = struct.pack("!H", min(version, 0x0303)) + secrets.token_bytes(32)
    body += _vector(1, secrets.token_bytes(32) if version >= 0x0304 else b"")
    body += _vector(2, _numbers(ciphers)) + b"\x01\x00"
    if version > 0x0300:
        body += _vector(2, _extensions(version, groups, name, alpn))
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BH", HANDSHAKE, min(version, 0x0301)) + _vector(2, message)


def _extensions(version: int, groups: tuple[int, ...], name: str, alpn: tuple[str, ...]) -> bytes:
    found = [(10, _vector(2, _numbers(groups))), (11, b"\x01\x00"), (23, b""), (0xFF01, b"\x00")]
    if name:
        found.insert(0, (0, _vector(2, b"\x00" + _vector(2, name.encode("idna")))))
    if version >= 0x0303:
        found.append((13, _vector(2, _numbers(SIGNATURES))))
    if alpn:
        found.append((16, _vector(2, b"".join(_vector(1, each.encode()) for each in alpn))))
    if version >= 0x0304:
        found += [(43, _vector(1, _numbers((version,)))), (45, b"\x01\x01"), (51, _vector(2, b""))]
    return b"".join(struct.pack("!H", kind) + _vector(2, data) for kind, data in found)


def _vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _numbers(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!{len(values)}H", *values)


class _Reader:
    """Takes parts off the front; Garbled where less is there than was announced."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise Garbled(f"{size} bytes were announced and {len(part)} are there")
        self.at += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))


def read_answer(data: bytes, *, whole: bool = False) -> Answer | None:
    """Read what a server sent so far; None when more is needed.

    `whole`: read on to the end of its flight, which in TLS 1.2 holds the certificates. Raises Garbled.
    """
    said, alert = _records(data)
    answer: Answer | None = None
    for kind, body in _messages(said):
        if kind == SERVER_HELLO:
            answer = _server_hello(body)
        elif answer is None:
            raise Garbled(f"the first message is of type {kind}, not a ServerHello")
        elif kind == CERTIFICATE:
            answer = replace(answer, certificates=_certificates(body))
        elif kind == SERVER_KEY_EXCHANGE and body[:1] == b"\x03" and len(body) >= 3:
            answer = replace(answer, group=int.from_bytes(body[1:3], "big"))  # RFC 8422 section 5.4
        if answer and (not whole or kind == SERVER_HELLO_DONE or answer.version >= 0x0304):
            return answer
    return answer if answer and alert else Answer("alert", alert=alert) if alert else None


def _records(data: bytes) -> tuple[bytes, str]:
    """Return the handshake bytes of all records that are whole, and the alert that ends them, if any."""
    reader, said = _Reader(data), bytearray()
    while len(data) - reader.at >= 5:
        kind, version, length = struct.unpack_from("!BHH", data, reader.at)
        if kind not in (20, ALERT, HANDSHAKE, 23) or version >> 8 != 3 or length > LARGEST_RECORD:
            raise Garbled(f"no TLS record: it begins with {data[reader.at : reader.at + 12]!r}")
        if len(data) - reader.at - 5 < length:
            break
        reader.take(5)
        body = reader.take(length)
        if kind == ALERT:
            if length != 2:
                raise Garbled(f"an alert of {length} bytes")
            if body != b"\x01\x70":  # a warning that the name is unknown: the server goes on (RFC 6066)
                return bytes(said), ALERTS.get(body[1], str(body[1]))
        elif kind == HANDSHAKE:
            said += body
        else:
            break
    return bytes(said), ""


def _messages(said: bytes) -> list[tuple[int, bytes]]:
    reader, found = _Reader(said), []
    while len(said) - reader.at >= 4:
        kind, length = said[reader.at], int.from_bytes(said[reader.at + 1 : reader.at + 4], "big")
        if length > LARGEST_MESSAGE:
            raise Garbled(f"a message of {length} bytes")
        if len(said) - reader.at - 4 < length:
            break
        reader.take(4)
        found.append((kind, reader.take(length)))
    return found


def _server_hello(body: bytes) -> Answer:
    reader = _Reader(body)
    version, random = reader.number(2), reader.take(32)
    if len(reader.vector(1)) > 32:
        raise Garbled("a session identifier longer than 32 bytes")
    cipher, _ = reader.number(2), reader.take(1)
    kind: Kind = "retry" if random == RETRY else "hello"
    answer = Answer(kind, version, cipher)
    extensions = _Reader(reader.vector(2) if reader else b"")
    while extensions:
        number, data = extensions.number(2), _Reader(extensions.vector(2))
        if number == 43:
            answer = replace(answer, version=data.number(2))
        elif number == 51:
            answer = replace(answer, group=data.number(2))
        elif number == 16:
            alpn = _Reader(data.vector(2)).vector(1)
            answer = replace(answer, alpn=alpn.decode("ascii", "replace"))
    return answer


def _certificates(body: bytes) -> tuple[bytes, ...]:
    reader, found = _Reader(_Reader(body).vector(3)), []
    while reader:
        found.append(reader.vector(3))
    return tuple(found)
