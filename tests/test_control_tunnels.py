"""What stands in the way of tunnels: each fault one sentence, told before anything is changed."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from declared import host

from control import tunnels
from control.authority import authority, leaf
from inventories.model import Certificates, Host, Peer, Secret, Strongswan

PROOF = Certificates(ca=Secret(name="ca"), certificate=Secret(name="own"), key=Secret(name="own_key"))
CA, CA_KEY = authority("ours")
OTHER_CA, OTHER_KEY = authority("another")
OWN = "198.51.100.11"


def signed(*ids: str, ca: str = CA, key: str = CA_KEY) -> tuple[str, str]:
    return leaf(ids, x509.load_pem_x509_certificate(ca.encode()), key)


def aged(pem: str, left: float) -> str:
    """Return the same certificate with this share of its life left."""
    old = x509.load_pem_x509_certificate(pem.encode())
    life = datetime.timedelta(days=100)
    begin = datetime.datetime.now(datetime.UTC) - life * (1 - left)
    builder = x509.CertificateBuilder(
        old.issuer,
        old.subject,
        old.public_key(),
        old.serial_number,
        begin,
        begin + life,
        list(old.extensions),
    )
    signer: Any = load_pem_private_key(CA_KEY.encode(), None)
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def gateway(**more: Any) -> Host:
    given = {"name": "hq", "address": "203.0.113.5", "id": "gw.example.net", "certificates": PROOF}
    given |= {"local": ("10.10.10.0/24",), "remote": ("192.168.150.0/24",)}
    peers = (Peer.model_validate(given),)
    return host(strongswan=Strongswan.model_validate({"peers": peers, "address": "10.10.10.1/24", **more}))


GOOD, GOOD_KEY = signed(OWN)
BY_NAME, BY_NAME_KEY = signed("vpn.example.net")
FOREIGN, FOREIGN_KEY = signed(OWN, ca=OTHER_CA, key=OTHER_KEY)
SECRETS = {"ca": CA, "own": GOOD, "own_key": GOOD_KEY}
ROWS: dict[str, tuple[dict[str, str], str]] = {
    "no certificate": ({"own": "hello"}, "edge1: hq: the secret own holds no certificate (PEM)."),
    "no key": (
        {"own_key": GOOD},
        "edge1: hq: the secret own_key holds no private key (PEM) without a passphrase.",
    ),
    "another key": (
        {"own_key": BY_NAME_KEY},
        "edge1: the certificate for hq is not of the key that is declared with it.",
    ),
    "another authority": (
        {"own": FOREIGN, "own_key": FOREIGN_KEY},
        "edge1: the certificate for hq is signed by CN=another, not by the declared CN=ours.",
    ),
    "another name": (
        {"own": BY_NAME, "own_key": BY_NAME_KEY},
        "edge1: the certificate for hq says vpn.example.net, CN=vpn.example.net, not 198.51.100.11, "
        "which this host calls itself.",
    ),
}


def test_certificates_that_prove_are_no_obstacle() -> None:
    assert list(tunnels.proofs(gateway(), SECRETS)) == []
    assert list(tunnels.notes(gateway(), SECRETS)) == []


@pytest.mark.parametrize("row", ROWS)
def test_each_fault_of_a_certificate_has_its_sentence(row: str) -> None:
    change, sentence = ROWS[row]
    assert [each.message for each in tunnels.proofs(gateway(), SECRETS | change)] == [sentence]


def test_an_expired_certificate_is_an_obstacle_and_an_old_one_a_note() -> None:
    (problem,) = tunnels.proofs(gateway(), SECRETS | {"own": aged(GOOD, -0.1)})
    assert problem.message.startswith("edge1: the certificate for hq expired on 20")
    old = SECRETS | {"own": aged(GOOD, 0.2)}
    assert list(tunnels.proofs(gateway(), old)) == []
    assert list(tunnels.notes(gateway(), old)) == ["the certificate for hq has 20% of its life left"]


def test_a_missing_secret_is_told_by_others() -> None:
    assert list(tunnels.proofs(gateway(), {"ca": CA})) == []


def test_a_kernel_without_esp_is_refused_outside_a_twin_but_by_declaration() -> None:
    (problem,) = tunnels.esp(gateway(), kernel=False, in_twin=False)
    assert problem.message == "edge1: the kernel does no ESP, which the tunnels need."
    assert list(tunnels.esp(gateway(), kernel=False, in_twin=True)) == []
    assert list(tunnels.esp(gateway(), kernel=True, in_twin=False)) == []
    declared = gateway(userland=True)
    assert list(tunnels.esp(declared, kernel=False, in_twin=False)) == []
    assert tunnels.USERLAND in tunnels.notes(declared, SECRETS)
