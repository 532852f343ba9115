"""Where offices stand on a twin's map, and what proves who they are: no host needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from control.errors import TrunklineError
from control.places import twin_of
from inventories.model import Environment
from inventories.model.strongswan import Peer
from tests.twin.offices_site import DEPOT, HQ, site, vpn
from twin.carriers import has_telephony
from twin.given import given, proof_of
from twin.layout import Layout, layout_of
from twin.offices import offices
from twin.vici import decoded, encoded


@pytest.fixture
def two() -> Environment:
    """One host, two offices."""
    return site(vpn("vpn1", "198.51.100.31/24", HQ, DEPOT))


def changed(peer: Peer, **changes: object) -> Peer:
    """Return a peer with other fields, read anew."""
    return Peer.model_validate({**{name: getattr(peer, name) for name in Peer.model_fields}, **changes})


def alone(peer: Peer, **changes: object) -> Environment:
    """Return a host with one peer."""
    return site(vpn("vpn1", "198.51.100.31/24", changed(peer, **changes)))


def test_a_gateway_with_a_private_id_stands_behind_a_nat(two: Environment) -> None:
    layout = layout_of(two, "a")
    assert layout.wire("nat-hq").addresses == ("203.0.113.20",)
    inside, outside = layout.wire("gateway-hq"), layout.all_of("nat-hq")[1]
    assert (inside.addresses, inside.gateways) == (("192.168.1.2/24",), ("192.168.1.1",))
    assert (outside.interface, outside.addresses) == ("eth1", ("192.168.1.1/24",))
    assert inside.bridge == outside.bridge
    assert (layout.space(inside), layout.space(layout.wire("nat-hq"))) == ("switch", "world")


def test_a_gateway_with_another_id_has_the_public_address(two: Environment) -> None:
    layout = layout_of(two, "a")
    assert layout.wire("gateway-depot").addresses == ("203.0.113.30",)
    with pytest.raises(KeyError):
        layout.wire("nat-depot")


def test_a_pbx_is_an_asterisk_where_a_peer_is_asked_by_sip() -> None:
    assert not has_telephony(alone(HQ))
    assert has_telephony(alone(HQ, sip=True))


def test_a_pbx_has_the_address_that_answers_and_its_way_through_the_gateway(two: Environment) -> None:
    layout = layout_of(two, "a")
    hq, depot = layout.wire("pbx-hq"), layout.wire("pbx-depot")
    assert (hq.addresses, hq.gateways) == (("192.168.150.20/24",), ("192.168.150.1",))
    assert (depot.addresses, depot.gateways) == (("192.168.160.10/24",), ("192.168.160.1",))
    assert hq.bridge == layout.all_of("gateway-hq")[1].bridge


def test_a_host_has_a_second_cable_without_an_address_and_somebody_beside_it(two: Environment) -> None:
    layout = layout_of(two, "a")
    first, second = layout.all_of("vpn1")
    assert (first.interface, second.interface, second.addresses) == ("eth0", "eth1", ())
    assert layout.wire("beside-vpn1").addresses == ("10.10.10.2/24",)
    assert layout.wire("beside-vpn1").gateways == ("10.10.10.1",)
    assert layout.wire("beside-vpn1").bridge == second.bridge
    assert layout.space(second) == "switch"


def test_hosts_of_one_private_network_share_it() -> None:
    hosts = (
        vpn("vpn1", "198.51.100.31/24", HQ),
        vpn("vpn2", "198.51.100.32/24", DEPOT, own="10.10.10.2/24"),
    )
    layout = layout_of(site(*hosts), "a")
    assert layout.all_of("vpn1")[1].bridge == layout.all_of("vpn2")[1].bridge
    assert layout.wire("beside-vpn1").addresses == ("10.10.10.3/24",)
    assert layout.wire("beside-vpn2").addresses == ("10.10.10.4/24",)


def test_peers_with_one_address_are_one_office_and_others_are_not() -> None:
    other = changed(HQ, address="203.0.113.21")
    hosts = (
        vpn("vpn1", "198.51.100.31/24", HQ),
        vpn("vpn2", "198.51.100.32/24", HQ, own="10.10.10.2/24"),
        vpn("vpn3", "198.51.100.33/24", other, own="10.10.10.3/24"),
    )
    found = {each.name: [host.name for host, _ in each.tunnels] for each in offices(site(*hosts))}
    assert found == {"hq": ["vpn1", "vpn2"], "hq-vpn3": ["vpn3"]}


def test_a_peer_that_is_a_host_of_the_environment_is_no_office() -> None:
    peer = changed(DEPOT, address="198.51.100.32")
    hosts = (
        vpn("vpn1", "198.51.100.31/24", peer),
        vpn("vpn2", "198.51.100.32/24", HQ, own="10.10.10.2/24"),
    )
    assert [each.name for each in offices(site(*hosts))] == ["hq"]


@pytest.mark.parametrize(
    ("changes", "wan", "lan", "pbx"),
    [
        ({"id": "203.0.113.20"}, None, "192.168.150.1/24", "192.168.150.20/24"),
        ({"id": "192.168.150.7"}, "100.64.0.2/24", "192.168.150.7/24", "192.168.150.20/24"),
        ({"answers": "192.168.150.1"}, "192.168.1.2/24", "192.168.150.2/24", "192.168.150.1/24"),
        ({"remote": ("192.168.150.20/32",)}, "192.168.1.2/24", "192.168.150.1/24", "192.168.150.20/24"),
    ],
)
def test_addresses_of_an_office_never_meet(changes: dict[str, object], wan: str, lan: str, pbx: str) -> None:
    (office,) = offices(alone(HQ, **changes))
    assert str(office.wan) == str(wan)
    assert (str(office.lan[0]), str(office.phones[0])) == (lan, pbx)


def test_each_network_behind_a_gateway_has_somebody_in_it() -> None:
    (office,) = offices(alone(HQ, remote=("192.168.151.0/24", "192.168.150.0/24")))
    assert [str(each) for each in office.phones] == ["192.168.150.20/24", "192.168.151.10/24"]
    assert [str(each) for each in office.lan] == ["192.168.150.1/24", "192.168.151.1/24"]


def test_an_office_cannot_have_an_address_of_the_world(two: Environment) -> None:
    taken = alone(DEPOT, address="203.0.113.66")
    with pytest.raises(TrunklineError, match=r"gateway-depot and the twin's stranger would have the same"):
        layout_of(taken, "a")


def test_a_layout_with_offices_is_read_as_it_was_written(two: Environment) -> None:
    layout = layout_of(two, "a")
    assert Layout.from_json(layout.to_json()) == layout


def test_keys_and_certificates_are_made_once_for_both_ends(
    two: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    first = given(two, "a")
    assert str(twin_of("a")).startswith(str(tmp_path))
    assert first == given(two, "a")
    assert set(first) == {"hq_psk", "vpn_ca", "vpn_certificate", "vpn_key"}
    assert proof_of(two, "a", HQ) == {"psk": first["hq_psk"]}
    theirs = proof_of(two, "a", DEPOT)
    assert theirs["ca"] == first["vpn_ca"]
    for pem, name in ((first["vpn_certificate"], "198.51.100.31"), (theirs["certificate"], DEPOT.id)):
        (certificate,) = x509.load_pem_x509_certificates(pem.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(each.value) for each in names] == [name]
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(theirs["ca"].encode()))


def test_an_expired_certificate_is_over_for_long(
    two: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    good, over = (proof_of(two, "a", DEPOT, expired=expired) for expired in (False, True))
    dates = [x509.load_pem_x509_certificate(its["certificate"].encode()) for its in (good, over)]
    assert (dates[0].not_valid_after_utc - dates[1].not_valid_after_utc).days == 790
    assert proof_of(two, "a", DEPOT) == good
    assert proof_of(two, "a", DEPOT, expired=True) == over


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("192.168.1.2", x509.IPAddress, "192.168.1.2"),
        ("gw.depot.example", x509.DNSName, "gw.depot.example"),
        ("@gw.depot.example", x509.DNSName, "gw.depot.example"),
        ("gw@depot.example", x509.RFC822Name, "gw@depot.example"),
        ("C=CH, O=Depot, CN=gw", x509.DirectoryName, "<Name(CN=gw,O=Depot,C=CH)>"),
    ],
)
def test_a_gateways_certificate_names_it_as_its_id_does(
    two: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, kind: type, value: str
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    pem = proof_of(two, "a", changed(DEPOT, id=name))["certificate"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    (its,) = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert (type(its), str(its.value)) == (kind, value)
    if kind is x509.DirectoryName:
        assert certificate.subject == its.value


def test_a_message_of_vici_is_read_as_it_was_written() -> None:
    message = {"a": "1", "list": ["x", "y z"], "in": {"deep": {"empty": [], "b": ""}}, "last": "ü"}
    assert decoded(encoded(message)) == message
