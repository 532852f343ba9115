"""What two ends of an IPsec tunnel agree on: proposals, and who proves to be whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inventories.model.record import Record
from inventories.model.values import Secret
from inventories.model.wanted import Wanted, refusal

Encryption = Annotated[
    Literal["aes128", "aes256", "aes128gcm16", "aes256gcm16", "chacha20poly1305"],
    Wanted(
        "a cipher that is still strong",
        "write aes256, which every gateway has, or aes128, aes128gcm16, aes256gcm16, chacha20poly1305",
    ),
]
Integrity = Annotated[
    Literal["sha256", "sha384", "sha512"],
    Wanted("a hash that is still strong", "write sha256, which every gateway has, or sha384, sha512"),
]
Group = Annotated[
    Literal["modp2048", "modp3072", "modp4096", "ecp256", "ecp384", "curve25519"],
    Wanted(
        "a Diffie-Hellman group that is still strong",
        "write modp2048 (group 14), which every gateway has, or modp3072, modp4096, ecp256, ecp384,"
        " curve25519",
    ),
]
GROUP_NUMBERS: dict[str, int] = {
    "modp2048": 14, "modp3072": 15, "modp4096": 16, "ecp256": 19, "ecp384": 20, "curve25519": 31,
}  # fmt: skip
"""The transform IDs of the groups (RFC 7296, section 3.3.2; RFC 8031), by which consoles call them."""
COMBINED = ("aes128gcm16", "aes256gcm16", "chacha20poly1305")
"""Ciphers that protect integrity themselves (RFC 5282, RFC 7634)."""


class IkeProposal(Record):
    """What protects the negotiation itself (RFC 7296, section 3.3)."""

    encryption: Encryption = "aes256"
    integrity: Integrity = "sha256"
    """The hash; of a cipher that protects integrity itself it is the pseudo-random function only."""
    group: Group = "modp2048"

    @property
    def combined(self) -> bool:
        """Say whether the cipher protects integrity itself."""
        return self.encryption in COMBINED


class EspProposal(Record):
    """What protects the packets (RFC 4303). Without a group keys are not renewed by Diffie-Hellman."""

    encryption: Encryption = "aes256"
    integrity: Integrity = "sha256"
    group: Group | None = "modp2048"
    """Perfect forward secrecy: the group of each rekeying."""

    @property
    def combined(self) -> bool:
        """Say whether the cipher protects integrity itself."""
        return self.encryption in COMBINED


class Certificates(Record):
    """Proof by certificates: ours with its key, and the authority that vouches for the peer's."""

    ca: Secret
    """The authority's certificate (PEM), `invoke secrets.certify` makes one of our own."""
    certificate: Secret
    """Ours (PEM)."""
    key: Secret
    """Its private key (PEM, without a passphrase)."""


Identity = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9@._:=, /*-]{1,128}$"),
    Wanted("an IKE identity", "write the address, name or mail address that this end calls itself by"),
]
Lifetime = Annotated[
    int,
    Field(ge=300, le=86400),
    Wanted("a lifetime of 300 to 86400 seconds", "28800 for IKE and 3600 for ESP are the usual ones"),
]


class Proof(Record):
    """Base of what proves by one way: a pre-shared key or certificates."""

    psk: Secret | None = None
    certificates: Certificates | None = None

    @model_validator(mode="after")
    def _one(self) -> Proof:
        if (self.psk is None) == (self.certificates is None):
            seen = "neither psk nor certificates" if self.psk is None else "psk and certificates"
            remedy = 'write psk=Secret(name="..."), or certificates=Certificates(...)'
            raise refusal(seen, "one way to prove who the peer is", remedy, bare=False)
        return self
