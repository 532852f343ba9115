"""Sound that proves itself: every packet of PCMU begins with a token, the rest is a tone (ITU-T G.711)."""

from __future__ import annotations

import hmac
import math

SAMPLES = 160
"""Of a packet: 20 ms at 8,000 a second."""
TOKEN_BYTES = 16
OURS, INTRUDERS = b"o", b"i"
TONE_HZ = 400
"""A whole number of periods in 20 ms: the tone has no clicks beside the tokens."""


def ulaw(sample: int) -> int:
    """Return a 16-bit sample as G.711 mu-law has it."""
    size = min(abs(sample), 32635) + 132
    exponent = max(0, size.bit_length() - 8)
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | (size >> (exponent + 3)) & 0x0F) & 0xFF


TONE = bytes(ulaw(int(8000 * math.sin(2 * math.pi * TONE_HZ * n / 8000))) for n in range(SAMPLES))


def sound(kind: bytes, key: bytes, index: int) -> bytes:
    """Return the payload of one packet."""
    return _token(kind, key, index) + TONE[TOKEN_BYTES:]


def index_of(payload: bytes, kind: bytes, key: bytes) -> int | None:
    """Return which of our packets a payload was, None where it was none."""
    index = int.from_bytes(payload[:4], "big")
    same = len(payload) >= TOKEN_BYTES and hmac.compare_digest(
        payload[:TOKEN_BYTES], _token(kind, key, index)
    )
    return index if same else None


def _token(kind: bytes, key: bytes, index: int) -> bytes:
    number = index.to_bytes(4, "big")
    return number + hmac.digest(key, kind + number, "sha256")[: TOKEN_BYTES - 4]
