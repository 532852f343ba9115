"""Signatures by HMAC (RFC 2104) with SHA-256: a receipt for an order, and a caller's proof of who it is."""

from __future__ import annotations

import hashlib
import hmac


def sign(key: bytes, message: bytes) -> str:
    """Return a message's signature in hexadecimal."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def holds(key: bytes, message: bytes, signature: str | None) -> bool:
    """Say whether the signature is the message's, in a time that does not depend on where they differ."""
    return hmac.compare_digest(sign(key, message).encode(), (signature or "").encode())
