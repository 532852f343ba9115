"""Public SSH keys: well formed, strong enough, and really public."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from inventories.model.wanted import Wanted, refusal

PARTS = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
"""The key types we accept, and of how many strings the key blob of each is made (RFC 4253 section 6.6)."""
RSA_BITS = 3072
"""ssh-keygen's default since OpenSSH 8.0; 2048 bits are too few from 2030 on (NIST SP 800-57)."""
WANTED = "a public key"
AGAIN = "copy the whole line of the .pub file again"


def blob_of(key: str) -> bytes:
    """Return the key itself: two lines with the same blob are the same key, whatever their comments."""
    return base64.b64decode(key.split()[1])


def comment_of(key: str) -> str:
    """Return what stands after the key: by custom, who and where."""
    return "".join(key.split(None, 2)[2:]).strip()


def public_key(line: str) -> str:
    """Return the line without blanks around it; raises a refusal that says what is wrong with the key."""
    if "PRIVATE KEY" in line:
        raise refusal(
            "a private key",
            WANTED,
            "it is no secret any more: make a new one, and put the line of its .pub file here",
        )
    kind, *rest = line.split(None, 2) or [""]
    if "\n" in line.strip() or not rest:
        raise _refused("text that is not one line", "a type, the key and a comment", AGAIN)
    if kind not in PARTS:
        raise _unknown(kind, line)
    _strong(kind, _strings(kind, rest[0]))
    return line.strip()


def _unknown(kind: str, line: str) -> PydanticCustomError:
    if kind == "ssh-dss":
        return _refused("a DSA key", "a key that sshd still accepts", "make a new one: ssh-keygen -t ed25519")
    if any(f" {known} " in line for known in PARTS):
        return _refused(f"options ({kind[:30]}) before the key", "the key alone", "leave the options out")
    return _refused(f"a key of type {kind[:40]}", f"one of {', '.join(PARTS)}", AGAIN)


def _strings(kind: str, text: str) -> list[bytes]:
    """Take the key blob apart (RFC 4251 section 5: strings with their length in four bytes before them)."""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _refused(
            f"an {kind} key that is not base64", "the line as ssh-keygen wrote it", AGAIN
        ) from None
    strings = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise _refused(f"an {kind} key that is cut short", "the whole line", AGAIN)
        strings.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if len(strings) != PARTS[kind] or strings[0] != kind.encode():
        raise _refused(f"a key that is not the {kind} it says", "a type that fits the key", AGAIN)
    return strings


def _strong(kind: str, strings: list[bytes]) -> None:
    bits = int.from_bytes(strings[-1], "big").bit_length()
    if kind == "ssh-rsa" and bits < RSA_BITS:
        raise _refused(
            f"an RSA key of {bits} bits", f"{RSA_BITS} bits or more", "make a new one: ssh-keygen -t ed25519"
        )
    if kind == "ssh-ed25519" and len(strings[1]) != 32:
        raise _refused("an ssh-ed25519 key of the wrong length", "32 bytes", AGAIN)


def _refused(seen: str, wanted: str, remedy: str) -> PydanticCustomError:
    return refusal(seen, wanted, remedy, bare=False)


PublicKey = Annotated[
    str, AfterValidator(public_key), Wanted(WANTED, "put the line of the .pub file here, in quotes")
]
"""One line of an authorized_keys file without options."""
