"""A small authority of our own: P-256 keys, and certificates that strongSwan and other gateways read."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from ipaddress import ip_address
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CA_DAYS, LEAF_DAYS = 3650, 825
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def authority(name: str, key_pem: str = "") -> tuple[str, str]:
    """Return the certificate of an authority and its key (PEM).

    With a key that it has, what it signed before stays valid.
    """
    key = _key(key_pem) if key_pem else ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    certificate = (
        _builder(subject, key.public_key(), subject, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate), _key_pem(key)


def leaf(ids: Sequence[str], ca: x509.Certificate, ca_key: str) -> tuple[str, str]:
    """Return a certificate for an end's identities, signed by an authority, and its key (PEM).

    `ca_key` is the authority's (PEM). A peer's ID is compared with the alternative names (RFC 4945).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    mine = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_subject(ids[0]), key.public_key(), ca.subject, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([name_of(each) for each in ids]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(mine), critical=False)
        .sign(_key(ca_key), hashes.SHA256())
    )
    return _pem(certificate), _key_pem(key)


def name_of(identity: str) -> x509.GeneralName:
    """Return an IKE identity as an alternative name: address, mail address or name (RFC 4945)."""
    if "@" in identity.strip("@"):
        return x509.RFC822Name(identity)
    try:
        return x509.IPAddress(ip_address(identity))
    except ValueError:
        return x509.DNSName(identity.lstrip("@"))


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in uses for each in _USES})


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, days: int
) -> x509.CertificateBuilder:
    # The far side's clock may be behind: a day is what a gateway without a battery is late at most.
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
    )


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    return cast(ec.EllipticCurvePrivateKey, serialization.load_pem_private_key(pem.encode(), None))


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
