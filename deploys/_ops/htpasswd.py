"""Passwords for basic authentication as nginx keeps them: a hash that is the same on every run.

nginx hashes what a client says with its host's crypt(3) at each request, in the worker that serves all others
meanwhile: SHA-512 with its default rounds takes 2 ms, where yescrypt would take a tenth of a second.
"""

from __future__ import annotations

from control.errors import TrunklineError
from deploys._engine import secrets
from deploys._ops import password
from inventories.model import Secret

METHOD = b"$6$"


def hashed(secret: Secret, place: str) -> str:
    """Return the hash for a secret at a place such as `lab/web1/crm.lab.example/crm`; masked everywhere.

    Raises TrunklineError for a value that no client could send (RFC 7617: no control characters).
    """
    value = secrets.value(secret)
    if not value.isprintable() or not value.strip():
        raise TrunklineError(
            f"The secret {secret.name} is no password for a web site: it has a line break or nothing in it.",
            f"Make one with `invoke secrets.rotate {secret.name}`, or choose one with "
            f"`invoke secrets.set {secret.name}`.",
        )
    return secrets.conceal(password.hashed(value, place, METHOD, 0))
