"""IKEv1's first message (ISAKMP, RFC 2408 and 2409), to see that nobody answers it any more."""

from __future__ import annotations

import secrets
import struct

from verify.probes.ike_message import MOST, Malformed, payloads, public_value

MAIN, AGGRESSIVE, INFORMATIONAL = 2, 4, 5
MODES = {"main": MAIN, "aggressive": AGGRESSIVE}
SA, KE, ID, NONCE, NOTIFICATION = 1, 4, 5, 10, 11
GROUP = 14
SUITES = ((7, 256, 4, 14), (7, 128, 2, 14), (7, 256, 2, 2), (5, 0, 2, 2), (5, 0, 1, 2))
"""Cipher, bits, hash, group: AES with SHA-256 first, then what old devices have, 3DES with MD5 last."""


def request(mode: int, spi: bytes) -> bytes:
    """Return the first message of main mode, or of aggressive mode: with a name, for a pre-shared key."""
    suites = [each for each in SUITES if mode == MAIN or each[3] == GROUP]
    parts = [(SA, _sa(suites))]
    if mode == AGGRESSIVE:
        # Its identity is in clear: the probe's is nobody's.
        who = struct.pack("!BBH", 2, 17, 500) + b"nobody.invalid"
        parts += [(KE, public_value(GROUP)), (NONCE, secrets.token_bytes(16)), (ID, who)]
    kinds = [kind for kind, _ in parts] + [0]
    body = b"".join(
        struct.pack("!BBH", following, 0, 4 + len(data)) + data
        for (_, data), following in zip(parts, kinds[1:], strict=True)
    )
    return spi + bytes(8) + struct.pack("!BBBBII", kinds[0], 0x10, mode, 0, 0, 28 + len(body)) + body


def _sa(suites: list[tuple[int, int, int, int]]) -> bytes:
    transforms = b""
    for index, (cipher, bits, digest, group) in enumerate(suites):
        said = [
            (1, cipher),
            (2, digest),
            (3, 1),
            (4, group),
            (11, 1),
            (12, 28800),
            *([(14, bits)] if bits else []),
        ]
        data = b"".join(struct.pack("!HH", 0x8000 | kind, value) for kind, value in said)
        more = 0 if index == len(suites) - 1 else 3
        transforms += struct.pack("!BBHBBH", more, 0, 8 + len(data), index + 1, 1, 0) + data
    head = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, len(suites))
    return struct.pack("!II", 1, 1) + head + transforms


def read(data: bytes, spi: bytes) -> tuple[bool, int]:
    """Return whether a suite was chosen, and what was notified instead (0 nothing). Raises Malformed."""
    if not 28 <= len(data) <= MOST or data[:8] != spi:
        raise Malformed("no answer to this message")
    first, version, exchange = data[16], data[17] >> 4, data[18]
    if version == 2:
        kinds = dict(payloads(first, data[28:]))
        return False, struct.unpack("!H", kinds[41][2:4])[0] if len(kinds.get(41, b"")) >= 4 else 0
    if version != 1 or (data[8:16] == bytes(8) and exchange != INFORMATIONAL):
        raise Malformed("no answer to this message")
    for kind, body in payloads(first, data[28:]):
        if kind == SA and exchange in MODES.values():
            return True, 0
        if kind == NOTIFICATION and len(body) >= 8:
            return False, struct.unpack("!H", body[6:8])[0]
    raise Malformed("neither a choice nor a refusal")
