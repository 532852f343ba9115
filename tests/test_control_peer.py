"""The far side's sheet, and the certificates of both ends: real secrets in a real store."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from declared import environment, host
from declared_tunnels import CERTIFICATES, branch, peer, swan

from control import certify as certifying
from control import secrets
from control.authority import authority
from control.certify import certify
from control.console import Console
from control.errors import TrunklineError
from control.identities import new_identity
from control.peer import peer as show
from control.peer import sheet
from control.secrets import Store
from control.target import Target
from control.vault import listing
from inventories.model import Secret
from inventories.model.ipsec import EspProposal
from inventories.model.strongswan import Peer

PSK = "psk-Marker-7c1f"
BY_CERTIFICATE = {"certificates": CERTIFICATES, "local_id": "vpn.trunkline.dev", "id": "office@trunkline.dev"}


def of(*peers: Peer) -> Target:
    """Return the target of a real environment with tunnels to these peers."""
    its = environment(
        host(strongswan=swan(*peers)), domain="trunkline.dev", controllers=("9.9.8.1/32",), in_twin=False
    )
    return Target(its, "lab", its.hosts)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The secrets of an environment of real servers, with a pre-shared key."""
    new_identity(tmp_path / "age.key")
    monkeypatch.setattr(secrets, "INVENTORIES", tmp_path)
    monkeypatch.setenv("TRUNKLINE_IDENTITY", str(tmp_path / "age.key"))
    made = secrets.store_of(of(peer()))
    made.put("office_psk", PSK)
    return made


def held() -> dict[str, str]:
    """Return what the store holds now."""
    return secrets.store_of(of(peer())).values()


def rows(target: Target) -> list[str]:
    """Return a sheet's rows as lines."""
    chosen = target.hosts[0]
    assert chosen.strongswan
    return [": ".join(row) for row in sheet(target, chosen, chosen.strongswan.peers[0], reveal=False)]


def test_the_sheet_is_seen_from_the_far_side() -> None:
    assert rows(of(peer())) == [
        ": VPN Type: IPsec",
        ": Name: edge1.trunkline.dev",
        ": Pre-Shared Key: *** (office_psk)",
        ": Local IP: the WAN behind 203.0.113.20",
        ": Remote IP / Host Name: 198.51.100.11",
        ": VPN Method: Policy Based",
        ": Local Networks: 192.168.150.0/24",
        ": Remote Networks: 10.10.10.0/24",
        "Advanced: Advanced: Manual",
        "Advanced: Key Exchange Version: IKEv2",
        "IKE: Encryption: AES-256",
        "IKE: Hash: SHA256",
        "IKE: DH Group: 14",
        "IKE: Lifetime: 28800",
        "ESP: Encryption: AES-256",
        "ESP: Hash: SHA256",
        "ESP: DH Group: 14",
        "ESP: Lifetime: 3600",
        "Advanced: Perfect Forward Secrecy (PFS): Enabled",
        "Advanced: Local Authentication ID: 192.168.1.1 (Auto unchecked)",
        "Advanced: Remote Authentication ID: 198.51.100.11 (Auto unchecked)",
    ]


def test_without_pfs_the_sheet_says_so() -> None:
    said = rows(of(peer(esp=EspProposal(group=None), pfs=None)))
    assert "ESP: DH Group: none" in said
    assert "Advanced: Perfect Forward Secrecy (PFS): Disabled" in said


def test_the_pre_shared_key_is_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    show(of(peer()), Console())
    hidden = capsys.readouterr().out
    assert PSK not in hidden
    assert "--reveal shows it" in hidden
    show(of(peer()), Console(), reveal=True)
    assert PSK in capsys.readouterr().out


def test_programs_get_the_fields_and_never_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    show(of(peer(), branch()), Console(as_json=True), name="branch")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fields = [each for each in events if each["event"] == "field"]
    assert {(each["host"], each["peer"]) for each in fields} == {("edge1", "branch")}
    assert {"field": "Pre-Shared Key", "value": "*** (branch_psk)"}.items() <= fields[2].items()
    with pytest.raises(TrunklineError, match="--reveal does not go with --json"):
        show(of(peer()), Console(as_json=True), reveal=True)


@pytest.mark.parametrize(
    ("peers", "name", "sentence"),
    [
        ((peer(), branch()), "moon", "--peer names moon, which nobody declares"),
        ((branch(),), "", "prod.secrets|lab.secrets lacks branch_psk"),
    ],
)
def test_what_is_not_there_is_named(peers: tuple[Peer, ...], name: str, sentence: str) -> None:
    with pytest.raises(TrunklineError, match=sentence):
        show(of(*peers), Console(), name=name, reveal=True)


def test_a_host_without_tunnels_has_no_sheet() -> None:
    its = environment(in_twin=True)
    with pytest.raises(TrunklineError, match="edge1 of lab declare no tunnel"):
        show(Target(its, "lab", its.hosts), Console())


def test_certify_makes_both_ends_that_prove_who_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    certify(of(peer(**BY_CERTIFICATE)), Console())
    made = held()
    ca = x509.load_pem_x509_certificate(made["ca"].encode())
    for name, key, wanted in (
        ("own", "own_key", x509.DNSName("vpn.trunkline.dev")),
        ("office_far_certificate", "office_far_key", x509.RFC822Name("office@trunkline.dev")),
    ):
        its = x509.load_pem_x509_certificate(made[name].encode())
        its.verify_directly_issued_by(ca)
        assert list(its.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [wanted]
        private = serialization.load_pem_private_key(made[key].encode(), None)
        assert private.public_key() == its.public_key()
    said = capsys.readouterr().out
    assert "made: there was none" in said
    assert "PRIVATE KEY" not in said


def test_openssl_takes_what_the_authority_signed(tmp_path: Path) -> None:
    certify(of(peer(**BY_CERTIFICATE)), Console())
    made = held()
    for name in ("ca", "own", "office_far_certificate"):
        (tmp_path / name).write_text(made[name])
    argv = ["openssl", "verify", "-x509_strict", "-CAfile", str(tmp_path / "ca")]
    files = [str(tmp_path / "own"), str(tmp_path / "office_far_certificate")]
    done = subprocess.run([*argv, *files], capture_output=True, text=True, check=False)
    assert done.stdout == "".join(f"{each}: OK\n" for each in files), done.stderr


def test_what_stands_is_kept_until_it_is_asked_for_again() -> None:
    target = of(peer(**BY_CERTIFICATE))
    certify(target, Console())
    first = held()
    certify(target, Console())
    assert held() == first
    certify(target, Console(), name="office", again=True)
    second = held()
    assert second["ca"] == first["ca"]
    assert second["own"] != first["own"]
    certify(target, Console(), again=True)
    assert held()["ca"] != first["ca"]


def test_another_identity_gets_another_certificate_and_the_rest_stays() -> None:
    certify(of(peer(**BY_CERTIFICATE)), Console())
    first = held()
    certify(of(peer(**{**BY_CERTIFICATE, "id": "192.168.1.1"})), Console())
    changed = {name for name, value in held().items() if first[name] != value}
    assert changed == {"office_far_certificate", "office_far_key"}


def test_what_is_near_its_end_is_made_anew_by_the_same_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    target = of(peer(**BY_CERTIFICATE))
    certify(target, Console())
    first = held()
    monkeypatch.setattr(certifying, "LEFT", 1.0)
    certify(target, Console())
    second = held()
    assert {name for name in first if first[name] == second[name]} == {"office_psk", "ca_key"}
    x509.load_pem_x509_certificate(first["own"].encode()).verify_directly_issued_by(
        x509.load_pem_x509_certificate(second["ca"].encode())
    )


def test_an_authority_from_elsewhere_is_never_replaced(store: Store) -> None:
    given, _ = authority("Elsewhere")
    store.put("ca", given)
    with pytest.raises(TrunklineError, match=r"own has to be made .* no ca_key is here"):
        certify(of(peer(**BY_CERTIFICATE)), Console(), again=True)
    assert held()["ca"] == given


def test_a_secret_that_is_no_certificate_is_left_alone(store: Store) -> None:
    store.put("ca", "hunter2")
    with pytest.raises(TrunklineError, match="The secret ca holds no certificate that can be read"):
        certify(of(peer(**BY_CERTIFICATE)), Console())
    assert held()["ca"] == "hunter2"


@pytest.mark.parametrize(
    ("its", "sentence"),
    [
        (peer(), "No chosen peer declares certificates"),
        (peer(**{**BY_CERTIFICATE, "id": "C=DE, O=Office"}), "is a distinguished name"),
    ],
)
def test_what_no_certificate_is_for_is_said(its: Peer, sentence: str) -> None:
    with pytest.raises(TrunklineError, match=sentence):
        certify(of(its), Console())


def test_the_far_sides_bundle_is_shown_once_it_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    target = of(peer(**BY_CERTIFICATE))
    with pytest.raises(TrunklineError, match="office has no ca, office_far_certificate, office_far_key yet"):
        show(target, Console(), reveal=True)
    certify(target, Console())
    capsys.readouterr()
    show(target, Console(), reveal=True)
    said = capsys.readouterr().out
    made = held()
    assert made["office_far_certificate"] in said
    assert made["own_key"] not in said


def test_what_is_kept_for_the_far_side_is_not_called_unused(capsys: pytest.CaptureFixture[str]) -> None:
    target = of(peer(**BY_CERTIFICATE))
    certify(target, Console())
    capsys.readouterr()
    assert listing(target, Console(as_json=True)) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    states = {each["secret"]: each["state"] for each in events}
    assert states.pop("office_psk").startswith("warn: unused")
    assert set(states.values()) == {"ok"}


def test_two_peers_share_an_authority_and_one_certificate_with_both_names() -> None:
    other = branch(certificates=CERTIFICATES, local_id="second.trunkline.dev")
    assert Secret(name="own") == CERTIFICATES.certificate
    certify(of(peer(**BY_CERTIFICATE), other), Console())
    its = x509.load_pem_x509_certificate(held()["own"].encode())
    names = its.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vpn.trunkline.dev", "second.trunkline.dev"]


@pytest.fixture
def twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The target of a twin whose two offices prove themselves by a key and by certificates."""
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path / "home"))
    its = environment(host(strongswan=swan(peer(), branch(certificates=CERTIFICATES))))
    return Target(its, "ike-sheets", its.hosts)


def test_a_twin_makes_its_offices_certificates_itself(
    twin: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    certify(twin, Console())
    show(twin, Console(), name="branch", reveal=True)
    said = capsys.readouterr().out
    assert "kept: the twin makes both ends' itself" in said
    assert "The twin makes its gateway's certificate itself." in said
    assert "PRIVATE KEY" not in said


def test_a_twins_pre_shared_key_can_be_seen_as_a_real_one(
    twin: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    (its,) = [each.psk for each in twin.hosts[0].strongswan.peers if each.psk]  # type: ignore[union-attr]
    value = secrets.store_of(twin).needed((its,))[its.name]
    show(twin, Console(), name="office", reveal=True)
    assert value in capsys.readouterr().out
