"""What of a password reaches a host: a hash that is the same on every run, and never the password itself.

The controller hashes with its own libcrypt (crypt(3)): Python 3.13 has no `crypt` any more, `openssl passwd`
knows nothing better than sha512crypt, and a host that hashed for itself would have to be told the password.
yescrypt is what every supported release uses for its own passwords (crypt(5)).
"""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache

from control.errors import TrunklineError
from deploys._engine import secrets
from inventories.model import Secret

LIBRARY = "libcrypt.so.1"
METHOD, COST = b"$y$", 5
"""yescrypt at the cost of Debian and Ubuntu; fixed, so that another libcrypt on another controller agrees."""
SALT_BYTES = 16
OUTPUT_BYTES, DATA_BYTES = 192, 32768
"""CRYPT_GENSALT_OUTPUT_SIZE and sizeof(struct crypt_data) of libxcrypt."""
SHORTEST, LONGEST = 12, 511
"""Characters. Any program of the host may try passwords with su(1); PAM takes no more than 511."""


def wanted(secret: Secret, place: str) -> str:
    """Return the field of shadow(5) for a secret at a place such as `lab/edge1/deploy`; masked everywhere.

    Raises TrunklineError for a value that nobody could type at a console, or that is too easily guessed.
    """
    value = secrets.value(secret)
    _refuse_untypable(secret, value)
    return secrets.conceal(hashed(value, place))


def digest(field: str) -> str:
    """Return what a host may tell of a field of shadow(5): its SHA-256, which no salt comes with."""
    return hashlib.sha256(field.encode()).hexdigest()


@cache
def hashed(value: str, place: str, method: bytes = METHOD, cost: int = COST) -> str:
    """Return the hash of a value at a place by a method of crypt(5)."""
    # The salt must be the same on every run, another at each place, and no cheaper to test guesses with than
    # the hash: a plain HMAC of the password would be a fast hash of it, for whoever sees the salt.
    salt = hashlib.scrypt(value.encode(), salt=place.encode(), n=1 << 14, r=8, p=1, dklen=SALT_BYTES)
    library = _library()
    setting = ctypes.create_string_buffer(OUTPUT_BYTES)
    data = ctypes.create_string_buffer(DATA_BYTES)
    if not library.crypt_gensalt_rn(method, ctypes.c_ulong(cost), salt, SALT_BYTES, setting, OUTPUT_BYTES):
        raise _without_yescrypt()
    if not library.crypt_rn(value.encode(), setting.value, data, DATA_BYTES):
        raise _without_yescrypt()
    return data.value.decode()


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
        library.crypt_rn.restype = library.crypt_gensalt_rn.restype = ctypes.c_char_p
    except (OSError, AttributeError):
        raise _without_yescrypt() from None
    return library


def _without_yescrypt() -> TrunklineError:
    return TrunklineError(
        f"This machine's {LIBRARY} cannot hash a password with yescrypt.",
        "Deploy from Debian 12 or 13, or Ubuntu 24.04, whose libcrypt1 can.",
    )


def _refuse_untypable(secret: Secret, value: str) -> None:
    typable = value.isascii() and value.isprintable() and value == value.strip()
    if not typable or not SHORTEST <= len(value) <= LONGEST:
        raise TrunklineError(
            f"The secret {secret.name} is no password for a console: that takes {SHORTEST} to {LONGEST} "
            "characters of ASCII, on one line, with no blank at either end.",
            f"Make one with `invoke secrets.rotate {secret.name}`, or choose one with "
            f"`invoke secrets.set {secret.name}`.",
        )
