"""IKE_SA_INIT as bytes: what a proposal asks for, and what an answer says (RFC 7296, sections 1.2 and 3)."""

from __future__ import annotations

import hashlib
import secrets
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scapy.contrib.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2NotifyMessageTypes,
)

ENCRYPTION = {
    "des": (2, 0), "3des": (3, 0), "aes128": (12, 128), "aes192": (12, 192), "aes256": (12, 256),
    "aes128gcm16": (20, 128), "aes256gcm16": (20, 256), "chacha20poly1305": (28, 0),
}  # fmt: skip
COMBINED = (20, 28)
PRF = {"md5": 1, "sha1": 2, "sha256": 5, "sha384": 6, "sha512": 7}
INTEGRITY = {"md5": 1, "sha1": 2, "sha256": 12, "sha384": 13, "sha512": 14}
GROUPS = {
    "modp768": 1, "modp1024": 2, "modp1536": 5, "modp2048": 14, "modp3072": 15, "modp4096": 16,
    "ecp256": 19, "ecp384": 20, "ecp521": 21, "curve25519": 31,
}  # fmt: skip
"""Transforms by strongSwan's words: their IDs, and the bits of a key that has a choice (IANA, IKEv2)."""
MODP_BYTES = {1: 96, 2: 128, 5: 192, 14: 256, 15: 384, 16: 512}
CURVES: dict[int, ec.EllipticCurve] = {19: ec.SECP256R1(), 20: ec.SECP384R1(), 21: ec.SECP521R1()}
SA, KE, NONCE, NOTIFY = 33, 34, 40, 41
IKE_SA_INIT, INITIATOR, RESPONSE = 34, 0x08, 0x20
NO_PROPOSAL_CHOSEN, INVALID_KE, NAT_SOURCE, NAT_DESTINATION, COOKIE = 14, 17, 16388, 16389, 16390
MOST_PAYLOADS, MOST_COOKIE = 32, 64
MOST = 4096
"""Bytes of an answer that are read: no honest IKE_SA_INIT is longer."""
Transform = tuple[int, int, int]
"""Type, ID, and bits of the key (0 where they are not said)."""


class Malformed(Exception):
    """What came is no answer that can be read."""


@dataclass(frozen=True)
class Proposal:
    """What is offered: `aes256-sha256-modp2048` in strongSwan's words, with one group or several."""

    text: str
    transforms: tuple[Transform, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Reply:
    """What a responder answered to one message."""

    responder: bytes
    transforms: tuple[Transform, ...]
    """Of the chosen proposal; none where nothing was chosen."""
    notifies: tuple[tuple[int, bytes], ...]

    def notified(self, kind: int) -> tuple[bytes, ...]:
        """Return the data of each notification of a kind."""
        return tuple(data for its, data in self.notifies if its == kind)


def proposal(text: str) -> Proposal:
    """Read a proposal; raises ValueError for a word that is no transform."""
    words = text.split("-")
    if (
        len(words) < 3
        or words[0] not in ENCRYPTION
        or words[1] not in PRF
        or not set(words[2:]) <= set(GROUPS)
    ):
        raise ValueError(f"{text!r} is no proposal such as aes256-sha256-modp2048")
    cipher, bits = ENCRYPTION[words[0]]
    groups = tuple(GROUPS[word] for word in words[2:])
    found: list[Transform] = [(1, cipher, bits), (2, PRF[words[1]], 0)]
    found += [] if cipher in COMBINED else [(3, INTEGRITY[words[1]], 0)]
    return Proposal(text, (*found, *((4, group, 0) for group in groups)), groups)


def words_of(transforms: tuple[Transform, ...]) -> tuple[str, ...]:
    """Return transforms in words: cipher, prf..., hash, group."""
    names = {(1, *value): word for word, value in ENCRYPTION.items()}
    names |= {(2, its, 0): f"prf{word}" for word, its in PRF.items()}
    names |= {(3, its, 0): word for word, its in INTEGRITY.items()}
    names |= {(4, its, 0): word for word, its in GROUPS.items()}
    return tuple(names.get(each, "-".join(map(str, each))) for each in transforms)


def group_name(number: int) -> str:
    """Return a group's word, or its number."""
    return next((word for word, its in GROUPS.items() if its == number), f"group {number}")


def notify_name(kind: int) -> str:
    """Return a notification's name, or its number."""
    return str(IKEv2NotifyMessageTypes.get(kind, kind))


def request(
    offered: Proposal, spi: bytes, group: int, cookie: bytes, here: tuple[str, int], there: tuple[str, int]
) -> bytes:
    """Return an IKE_SA_INIT; `here` and `there` are the addresses and ports that NAT is detected by."""
    parts: list[Any] = [IKEv2_Notify(type=COOKIE, notify=cookie)] if cookie else []
    parts += [
        IKEv2_SA(prop=IKEv2_Proposal(trans_nb=len(offered.transforms), trans=_chain(offered.transforms))),
        IKEv2_KE(group=group, ke=public_value(group)),
        IKEv2_Nonce(nonce=secrets.token_bytes(32)),
        IKEv2_Notify(type=NAT_SOURCE, notify=nat_hash(spi, bytes(8), *here)),
        IKEv2_Notify(type=NAT_DESTINATION, notify=nat_hash(spi, bytes(8), *there)),
    ]
    kinds = {IKEv2_SA: SA, IKEv2_KE: KE, IKEv2_Nonce: NONCE, IKEv2_Notify: NOTIFY}
    order = [kinds[type(each)] for each in parts] + [0]
    message = IKEv2(
        init_SPI=spi, resp_SPI=bytes(8), next_payload=order[0], exch_type=IKE_SA_INIT, flags=INITIATOR
    )
    for payload, following in zip(parts, order[1:], strict=True):
        payload.next_payload = following
        message /= payload
    return bytes(message)


def _chain(transforms: tuple[Transform, ...]) -> Any:
    built: Any = None
    for index, (kind, its, bits) in enumerate(transforms):
        more: dict[str, Any] = {"length": 12, "key_length": bits} if bits else {}
        last = index == len(transforms) - 1
        each = IKEv2_Transform(next_payload=0 if last else 3, transform_type=kind, transform_id=its, **more)
        built = each if built is None else built / each
    return built


def public_value(group: int) -> bytes:
    """Return a public value of a group that a responder takes; nobody keeps its private half."""
    if group in CURVES:
        key = ec.generate_private_key(CURVES[group]).public_key()
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    if group == GROUPS["curve25519"]:
        return x25519.X25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    # Each of the primes begins with 64 ones, so that a number with a zero before is below it.
    return b"\x7f" + secrets.token_bytes(MODP_BYTES[group] - 1)


def nat_hash(spi: bytes, responder: bytes, address: str, port: int) -> bytes:
    """Return what tells whether an address was translated on its way (RFC 7296, section 2.23)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = spi + responder + socket.inet_pton(family, address) + struct.pack("!H", port)
    return hashlib.sha1(data, usedforsecurity=False).digest()


def read(data: bytes, spi: bytes) -> Reply:
    """Read an answer to the message with this SPI; raises Malformed for whatever else it is."""
    if len(data) < 28 or len(data) > MOST:
        raise Malformed(f"{len(data)} bytes")
    first, version, exchange, flags, number, length = struct.unpack("!BBBBII", data[16:28])
    if data[:8] != spi:
        raise Malformed("the SPI of another exchange")
    if version >> 4 != 2 or exchange != IKE_SA_INIT or not flags & RESPONSE or number or length != len(data):
        raise Malformed("no answer to an IKE_SA_INIT")
    transforms: tuple[Transform, ...] = ()
    notifies = []
    for kind, body in payloads(first, data[28:]):
        if kind == SA:
            transforms = _chosen(body)
        elif kind == NOTIFY and len(body) >= 4:
            size, its = struct.unpack("!BH", body[1:4])
            notifies.append((its, body[4 + size :]))
    return Reply(data[8:16], transforms, tuple(notifies))


def payloads(kind: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each payload's kind and body; raises Malformed where a length leads outside or nowhere."""
    for _ in range(MOST_PAYLOADS):
        if not kind:
            return
        if len(data) < 4:
            raise Malformed("it ends within a payload")
        following, _, length = struct.unpack("!BBH", data[:4])
        if not 4 <= length <= len(data):
            raise Malformed("a payload of a length that cannot be")
        yield kind, data[4:length]
        kind, data = following, data[length:]
    raise Malformed("too many payloads")


def _chosen(body: bytes) -> tuple[Transform, ...]:
    """Return the transforms of the one proposal of an answer."""
    if len(body) < 8:
        raise Malformed("an SA without a proposal")
    found = []
    for _, its in payloads(3, body[8 + body[6] :]):
        kind, _, number = struct.unpack("!BBH", its[:4]) if len(its) >= 4 else (0, 0, 0)
        bits = struct.unpack("!H", its[6:8])[0] if its[4:6] == b"\x80\x0e" and len(its) >= 8 else 0
        found.append((kind, number, bits))
    return tuple(found)
