"""The twin's own certificate authority: what is outside a twin's hosts proves itself by it.

Made once for a twin, kept until the twin is erased; its hosts trust it as they trust the public authorities.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control import places

CA_DAYS, LEAF_DAYS = 3650, 800
EXPIRED_DAYS = 10
"""A certificate begins 30 days ago: one of so many days is over."""
_UNUSED = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
)


class Authority:
    """An authority of one twin: a P-256 key and its certificate, in `<home>/twins/<name>/<authority>`."""

    def __init__(self, twin: str, name: str = "authority") -> None:
        self.twin = twin
        self.name = name
        self.directory = places.twin_of(twin) / name
        self.certificate = self.directory / "ca.pem"
        self._key = self.directory / "ca.key"

    @property
    def pem(self) -> str:
        """The authority's certificate; it is made when there is none yet."""
        with self._alone():
            if not self.certificate.exists():
                self._make()
        return self.certificate.read_text()

    def leaf(self, name: str, names: Sequence[str], days: int = LEAF_DAYS) -> tuple[Path, Path]:
        """Return the files of a server's certificate for these names, and of its key.

        `name` is what the files are called; they are made again when the names differ from what is there.
        """
        chain, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        ca = x509.load_pem_x509_certificate(self.pem.encode())
        with self._alone():
            if key.exists() and _serves(chain, names, ca, over=days <= EXPIRED_DAYS):
                return chain, key
            mine = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(names[0])
            builder = _leaf(subject, mine.public_key(), names, ca, days)
            certificate = builder.sign(self._private(), hashes.SHA256())
            _write(key, _key_pem(mine), 0o600)
            _write(chain, _pem(certificate) + _pem(ca), 0o644)
        return chain, key

    def sign_again(self, certificate: x509.Certificate) -> bytes:
        """Return another authority's certificate with the same name and key, but issued by this one (PEM).

        What that authority has signed then leads to this one, as by a cross-signed intermediate.
        """
        ca = x509.load_pem_x509_certificate(self.pem.encode())
        key = cast(CertificateIssuerPublicKeyTypes, certificate.public_key())
        builder = _builder(certificate.subject, key, ca.subject, CA_DAYS)
        for extension in certificate.extensions:
            if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
                builder = builder.add_extension(extension.value, extension.critical)
        builder = builder.add_extension(_identifier(ca), False)
        return _pem(builder.sign(self._private(), hashes.SHA256()))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else make anything: hosts' disks are made at once, and commands may run at once."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _private(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self._key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"{self.name.capitalize()} of the twin {self.twin}")]
        )
        # Python 3.13 refuses an authority without keyUsage.
        usage = dict.fromkeys(_UNUSED, False)
        certificate = (
            _builder(subject, key.public_key(), subject, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self._key, _key_pem(key), 0o600)
        _write(self.certificate, _pem(certificate), 0o644)


def _builder(
    subject: x509.Name, key: CertificateIssuerPublicKeyTypes, issuer: x509.Name, days: int
) -> x509.CertificateBuilder:
    # A lying time server must not make the certificate one of the future.
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
    )


def _leaf(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    ca: x509.Certificate,
    days: int,
) -> x509.CertificateBuilder:
    return (
        _builder(subject, key, ca.subject, days)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_identifier(ca), critical=False)
    )


def _identifier(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    mine = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(mine.value)


def _subject(name: str) -> x509.Name:
    """Return the subject of a certificate for a name: a distinguished name is one itself."""
    if "=" in name:
        # From the country down, as IKE writes it; RFC 4514 begins at the other end.
        parts = x509.Name.from_rfc4514_string(name.replace(", ", ",")).rdns
        return x509.Name(reversed(parts))
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.DirectoryName(_subject(name)) if "=" in name else _name(name) for name in names]


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        mail = "@" in name[1:]
        return x509.RFC822Name(name) if mail else x509.DNSName(name.removeprefix("@"))


def _serves(chain: Path, names: Sequence[str], ca: x509.Certificate, *, over: bool) -> bool:
    """Say whether a file's certificate is for exactly these names from this authority, a month more.

    One that is to be `over` is taken as it is.
    """
    if not chain.exists():
        return False
    its = x509.load_pem_x509_certificate(chain.read_bytes())
    known = its.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    same = list(known) == _alternatives(names) and its.subject == _subject(names[0])
    issued = its.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == _identifier(ca)
    return same and issued and (over or its.not_valid_after_utc > later)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _write(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    temporary.rename(path)
