"""sshd's own words: `sshd -T` as settings, a line of authorized_keys as the key it holds."""

from __future__ import annotations

import base64
import binascii
import hashlib
from itertools import pairwise

KEY_TYPES = ("ssh-", "ecdsa-", "sk-")


def settings(text: str) -> dict[str, tuple[str, ...]]:
    """Read `sshd -T`: keyword to values; a keyword that may stand several times has several.

    Case does not tell keywords apart (sshd_config(5)): OpenSSH 10.4 writes them as its manual does.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        found[keyword.lower()] = (*found.get(keyword.lower(), ()), value)
    return found


def fingerprint(line: str) -> str:
    """Return `type SHA256:...` of a public key's line, as ssh-keygen -l prints it; options do not count."""
    words = line.split()
    for kind, body in pairwise(words):
        if kind.startswith(KEY_TYPES):
            try:
                digest = hashlib.sha256(base64.b64decode(body, validate=True)).digest()
            except binascii.Error:
                continue
            return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
    return f"unreadable line {line[:40]!r}"
