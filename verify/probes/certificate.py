"""An X.509 certificate (RFC 5280) as the few things that one looks at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class Certificate:
    """One certificate. An empty subject is normal: names stand in subjectAltName (RFC 9525)."""

    sha256: str
    names: tuple[str, ...]
    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    """Unix seconds."""
    key: str
    """SHA-256 of the public key (SubjectPublicKeyInfo, DER)."""
    key_kind: str
    self_signed: bool

    def share_left(self, now: float) -> float:
        """Return which share of its lifetime is left: 1 when new, 0 at its end, negative behind it."""
        return (self.not_after - now) / max(self.not_after - self.not_before, 1.0)


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate. Raises ValueError for what is none."""
    read = x509.load_der_x509_certificate(der)
    key = read.public_key()
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate(
        sha256=hashlib.sha256(der).hexdigest(),
        names=_names(read),
        subject=read.subject.rfc4514_string(),
        issuer=read.issuer.rfc4514_string(),
        serial=f"{read.serial_number:x}",
        not_before=read.not_valid_before_utc.timestamp(),
        not_after=read.not_valid_after_utc.timestamp(),
        key=hashlib.sha256(public).hexdigest(),
        key_kind=f"{type(key).__name__.removesuffix('PublicKey').lstrip('_')} "
        f"{getattr(key, 'key_size', '')}".strip(),
        self_signed=issued(read, read),
    )


def read_pem(text: str | bytes) -> tuple[Certificate, ...]:
    """Read every certificate of a PEM file, in its order. Raises ValueError where one is broken."""
    data = text.encode() if isinstance(text, str) else text
    found = x509.load_pem_x509_certificates(data)
    return tuple(read_certificate(each.public_bytes(Encoding.DER)) for each in found)


def in_order(chain: tuple[bytes, ...]) -> bool:
    """Say whether each certificate (DER) is issued by the one behind it (RFC 5246 section 7.4.2)."""
    read = [x509.load_der_x509_certificate(each) for each in chain]
    return all(issued(above, below) for below, above in pairwise(read))


def issued(above: x509.Certificate, below: x509.Certificate) -> bool:
    """Say whether one certificate signed another."""
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(read: x509.Certificate) -> tuple[str, ...]:
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(sorted(str(getattr(each, "value", each)) for each in names))


def day(seconds: float) -> str:
    """Return a moment as a date and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
