"""What gives a secret away, by the secret's name: its value, its base64, the line of a key that is secret."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from prove.row import require

SHORTEST = 16
"""Characters; what is shorter could stand somewhere by chance."""
CERTIFICATE, KEY = "-----BEGIN CERTIFICATE-----", "PRIVATE KEY-----"


@dataclass(frozen=True)
class Markers:
    """The texts that give each secret away."""

    forms: Mapping[str, tuple[str, ...]] = field(repr=False)

    def named_in(self, text: str) -> list[str]:
        """Return the names of the secrets that a text gives away."""
        return [name for name, forms in self.forms.items() if any(form in text for form in forms)]

    def masked(self, text: str) -> str:
        """Return a text that gives no secret away, but names it: what is told of a leak is none itself."""
        for name, forms in self.forms.items():
            for form in forms:
                text = text.replace(form, f"<{name}>")
        return text

    def but(self, *names: str) -> Markers:
        """Return the markers of all other secrets."""
        return Markers({name: forms for name, forms in self.forms.items() if name not in names})

    def __or__(self, other: Markers) -> Markers:
        return Markers({**self.forms, **other.forms})


def markers_of(values: Mapping[str, str]) -> Markers:
    """Return the markers of secrets; Disproved where two are the same, or one could stand there by chance.

    A certificate is none: it is shown to everybody who asks.
    """
    texts = {name: value.strip() for name, value in values.items() if not is_certificate(value)}
    short = [name for name, text in texts.items() if len(text) < SHORTEST]
    require(not short, f"too short to be told from chance: {', '.join(short)}")
    require(len(set(texts.values())) == len(texts), "two secrets have the same value")
    return Markers({name: tuple(_written(text)) for name, text in texts.items()})


def is_certificate(value: str) -> bool:
    """Say whether a value is a certificate and no key."""
    return CERTIFICATE in value and KEY not in value


def key_of(path: Path) -> Markers:
    """Return what gives a private key in a file away; it goes by the file's name."""
    return Markers({path.name: (secret_line(path.read_text(encoding="utf-8")),)})


def identity_of(path: Path) -> Markers:
    """Return what gives the age identities in a file away; they go by the file's name."""
    lines = path.read_text(encoding="utf-8").split()
    secret = tuple(line for line in lines if line.startswith("AGE-SECRET-KEY-"))
    require(secret, f"{path} has no identity")
    return Markers({path.name: secret})


def secret_line(text: str) -> str:
    """Return the line of a private key that has the middle of its secret number: others have public parts."""
    body = [line for line in text.splitlines() if line and not line.startswith("-----")]
    number = _number(text.encode())
    middle = base64.b64decode("".join(body)).index(number) + len(number) // 2
    return body[middle * 4 // 3 // len(body[0])]


def _number(text: bytes) -> bytes:
    """Return the secret number of a key, as its file has it. Raises TypeError for a kind that nobody uses."""
    key = load_ssh_private_key(text, None) if b"OPENSSH" in text else load_pem_private_key(text, None)
    if isinstance(key, Ed25519PrivateKey):
        return key.private_bytes_raw()
    if isinstance(key, EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")
    raise TypeError(f"no marker is known for {type(key).__name__}")


def _written(value: str) -> Iterator[str]:
    if KEY in value:
        yield secret_line(value)
        return
    yield value
    # Base64 of something that has the value in it is one of three texts, but for its ends.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value.encode()).decode()
        yield encoded[-(-before * 4 // 3) : (before + len(value.encode())) * 4 // 3]
