"""What stands in the way of tunnels: a kernel without ESP, and certificates that prove nothing."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from control.authority import name_of
from control.certify import LEFT
from control.errors import TrunklineError
from inventories.model import Host, Peer, Secret

REMEDY = (
    "Make it anew with `invoke secrets.certify --again`, or set the right one with `invoke secrets.set NAME`."
)
USERLAND = (
    "ESP is done by strongSwan itself, as declared: slower than the kernel, and every packet costs a copy"
)


def esp(host: Host, kernel: bool, *, in_twin: bool) -> Iterator[TrunklineError]:
    """Yield the want of ESP in the kernel, where nobody declares to do without."""
    if host.strongswan and not (kernel or in_twin or host.strongswan.userland):
        yield TrunklineError(
            f"{host.name}: the kernel does no ESP, which the tunnels need.",
            "Install the distribution's own kernel there, or declare strongswan.userland=True: slower.",
        )


def notes(host: Host, secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield what is worth knowing of a host's tunnels and stands in nobody's way."""
    if host.strongswan is None:
        return
    if host.strongswan.userland:
        yield USERLAND
    for peer in host.strongswan.peers:
        try:
            left = _left(_proof(host, peer, secrets)) if peer.certificates else 1.0
        except TrunklineError:
            continue
        if 0 < left < LEFT:
            yield f"the certificate for {peer.name} has {left:.0%} of its life left"


def proofs(host: Host, secrets: Mapping[str, str]) -> Iterator[TrunklineError]:
    """Yield the certificates of a host's tunnels that would prove nothing, but for those that are missing."""
    for peer in host.strongswan.peers if host.strongswan else ():
        asked = peer.certificates
        if asked and {asked.ca.name, asked.certificate.name, asked.key.name} <= secrets.keys():
            try:
                yield from _judged(host, peer, _proof(host, peer, secrets))
            except TrunklineError as error:
                yield error


@dataclass(frozen=True)
class Proof:
    """An authority's certificate, ours and our key's public half (DER)."""

    ca: x509.Certificate
    certificate: x509.Certificate
    key: bytes


def _proof(host: Host, peer: Peer, secrets: Mapping[str, str]) -> Proof:
    asked = peer.certificates
    assert asked is not None
    place = f"{host.name}: {peer.name}"
    try:
        key = load_pem_private_key(secrets[asked.key.name].encode(), None).public_key()
    except (KeyError, ValueError, TypeError, UnsupportedAlgorithm):
        sentence = f"{place}: the secret {asked.key.name} holds no private key (PEM) without a passphrase."
        raise TrunklineError(sentence, REMEDY) from None
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ca, certificate = (_certificate(place, each, secrets) for each in (asked.ca, asked.certificate))
    return Proof(ca, certificate, public)


def _certificate(place: str, secret: Secret, secrets: Mapping[str, str]) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(secrets[secret.name].encode())
    except (KeyError, ValueError):
        raise TrunklineError(
            f"{place}: the secret {secret.name} holds no certificate (PEM).", REMEDY
        ) from None


def _judged(host: Host, peer: Peer, proof: Proof) -> Iterator[TrunklineError]:
    place, ours = f"{host.name}: the certificate for {peer.name}", proof.certificate
    if ours.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != proof.key:
        yield TrunklineError(f"{place} is not of the key that is declared with it.", REMEDY)
    try:
        ours.verify_directly_issued_by(proof.ca)
    except (ValueError, TypeError, InvalidSignature):
        signer, ca = ours.issuer.rfc4514_string(), proof.ca.subject.rfc4514_string()
        yield TrunklineError(f"{place} is signed by {signer}, not by the declared {ca}.", REMEDY)
    own = peer.own_id(host)
    if not _says(ours, own):
        said = ", ".join(_names(ours))
        yield TrunklineError(f"{place} says {said}, not {own}, which this host calls itself.", REMEDY)
    now = datetime.datetime.now(datetime.UTC)
    for what, each in (("", ours), ("'s authority", proof.ca)):
        if each.not_valid_after_utc < now:
            yield TrunklineError(f"{place}{what} expired on {each.not_valid_after_utc:%Y-%m-%d}.", REMEDY)
        if each.not_valid_before_utc > now:
            yield TrunklineError(f"{place}{what} is valid from {each.not_valid_before_utc:%Y-%m-%d}.", REMEDY)


def _names(certificate: x509.Certificate) -> list[str]:
    """Return what a certificate may prove to be: its alternative names, then its subject (RFC 4945)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = []
    else:
        names = [str(each.value) for each in found]
    return [*names, certificate.subject.rfc4514_string()]


def _says(certificate: x509.Certificate, identity: str) -> bool:
    """Say whether a certificate proves an identity; of a distinguished name the order is not compared."""
    if "=" in identity:
        parts = (identity, certificate.subject.rfc4514_string())
        wanted, found = ({each.strip() for each in part.split(",")} for part in parts)
        return wanted == found
    return str(name_of(identity).value) in _names(certificate)


def _left(proof: Proof) -> float:
    """Return the share of its life that the certificate has left."""
    ends, begins = proof.certificate.not_valid_after_utc, proof.certificate.not_valid_before_utc
    return (ends - datetime.datetime.now(datetime.UTC)) / (ends - begins)
