"""Where carriers stand on a twin's map, and what is heard of calls on a cable: no host needed."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from control.errors import TrunklineError
from inventories.model import AddressTrunk, Environment, Host, RegisteringTrunk, Secret, load
from tests.twin.asterisk_site import CARRIERS, TRUNKS, telephony
from twin.asterisk_conf import Behaviour, files
from twin.carriers import Carrier, carriers
from twin.forge import datagram, forge
from twin.given import given
from twin.layout import Layout, layout_of
from twin.outside import uses
from twin.softswitch import Softswitch

WORDS = Secret(name="usco_password")


def site(*trunks: AddressTrunk | RegisteringTrunk, hosts: tuple[str, ...] = ("edge2",)) -> Environment:
    """Return the lab with these trunks, on hosts of Debian testing."""
    lab = load("lab")
    telephone = telephony(trunks=trunks or TRUNKS)
    found = []
    for name in hosts:
        kept = {field: getattr(lab.host(name), field) for field in Host.model_fields}
        changes = {"os": "debian-testing", "swap": None, "asterisk": telephone}
        found.append(Host.model_construct(**{**kept, **changes}))
    return lab.model_copy(update={"hosts": tuple(found), "databases": ()})


def registering(**changes: object) -> RegisteringTrunk:
    """Return a trunk that registers."""
    given = {"name": "usco", "primary": "sip1.usco.example", "user": "trunkline", "password": WORDS}
    return RegisteringTrunk.model_validate({**given, **changes})


def only(environment: Environment) -> Carrier:
    """Return the one carrier that there is."""
    (found,) = carriers(environment)
    return found


def test_a_carrier_known_by_its_addresses_is_one_node_with_all_of_them() -> None:
    layout = layout_of(site(), "a")
    assert layout.wire("carrier-didco").addresses == CARRIERS
    assert layout.space(layout.wire("carrier-didco")) == "world"


def test_primary_and_backup_are_two_nodes() -> None:
    layout = layout_of(site(), "a")
    assert layout.wire("carrier-usco").addresses == ("203.0.113.86",)
    assert layout.wire("carrier-usco-backup").addresses == ("203.0.113.87",)


@pytest.mark.parametrize(
    ("server", "addresses", "wanted"),
    [
        ("sip.didco.example", ("203.0.113.76/32", "203.0.113.80/29"), ("203.0.113.76", "203.0.113.81")),
        ("203.0.113.82", ("203.0.113.76/32", "203.0.113.80/29"), ("203.0.113.82", "203.0.113.76")),
        ("203.0.113.90", ("203.0.113.76/32",), ("203.0.113.90", "203.0.113.76")),
    ],
)
def test_a_carrier_calls_from_each_declared_network(
    server: str, addresses: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    trunk = AddressTrunk.model_validate({"name": "didco", "server": server, "addresses": addresses})
    assert only(site(trunk)).addresses == wanted


def test_a_proxy_without_a_declared_address_gets_one_and_its_name_leads_there() -> None:
    trunk = registering(backup="sip2.usco.example", addresses=("203.0.113.86/32",))
    environment = site(trunk)
    assert only(environment).addresses == ("203.0.113.86", "192.0.2.230")
    names = layout_of(environment, "a").names
    assert names["sip1.usco.example"] == ("203.0.113.86",)
    assert names["sip2.usco.example"] == ("192.0.2.230",)


def test_trunks_of_two_hosts_to_one_carrier_lead_to_it_and_others_do_not() -> None:
    both = site(hosts=("edge1", "edge2"))
    assert [(its.name, len(its.lines)) for its in carriers(both)] == [("didco", 2), ("usco", 2)]
    other = site(registering(), registering(primary="sip.other.example", name="other"))
    assert [its.name for its in carriers(other)] == ["usco", "other"]


def test_who_is_behind_a_tunnel_or_a_host_of_the_environment_is_no_carrier() -> None:
    office = AddressTrunk(name="hq", server="192.168.150.20", addresses=("192.168.150.20/32",))
    host = str(load("lab").host("edge2").address.ip)
    ours = AddressTrunk(name="ours", server=host, addresses=(f"{host}/32",))
    assert carriers(site(office, ours)) == ()


@pytest.mark.parametrize(
    ("address", "whose"), [("203.0.113.66", "the twin's stranger"), ("192.0.2.53", "the twin's DNS")]
)
def test_a_carrier_cannot_have_an_address_of_the_world(address: str, whose: str) -> None:
    trunk = AddressTrunk(name="didco", server=address, addresses=(f"{address}/32",))
    with pytest.raises(TrunklineError, match=f"carrier-didco and {whose} would have the same"):
        layout_of(site(trunk), "a")


def test_a_layout_with_carriers_is_read_as_it_was_written() -> None:
    layout = layout_of(site(), "a")
    assert Layout.from_json(layout.to_json()) == layout


def test_an_environment_without_telephony_has_no_carrier_and_needs_nothing_more() -> None:
    lab = load("lab")
    bare = lab.model_copy(update={"hosts": (lab.host("edge1"),), "databases": ()})
    assert carriers(bare) == ()
    assert not uses(bare)
    assert uses(site())


def test_a_carrier_has_the_password_that_the_controller_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    environment = site()
    passwords = given(environment, "a")
    (_, usco) = carriers(environment)
    for proxy in usco.proxies:
        text = files(usco, proxy, Behaviour(), passwords)["pjsip.conf"]
        assert f"password = {passwords['usco_password']}\n" in text
        assert "aors = trunkline\n" in text
        assert (
            passwords["usco_password"]
            not in files(usco, proxy, Behaviour(challenge=True), passwords)["pjsip.conf"]
        )
        assert "aors" not in files(usco, proxy, Behaviour(reject=True), passwords)["pjsip.conf"]


def test_a_carrier_over_tls_is_told_to_be_none(tmp_path: Path) -> None:
    trunk = AddressTrunk(name="didco", server=CARRIERS[0], addresses=(f"{CARRIERS[0]}/32",), transport="tls")
    environment = site(trunk)
    didco = Softswitch(environment, layout_of(environment, "a"), only(environment), tmp_path)
    for ask in (lambda: didco.call("900"), didco.calls):
        with pytest.raises(TrunklineError, match="over TLS, which a twin's carrier does not speak"):
            ask()


def test_a_forged_datagram_has_the_address_and_the_checksum_of_another() -> None:
    packet = datagram(CARRIERS[0], "198.51.100.12", (5060, 5060), b"OPTIONS")
    assert IPv4Address(packet[12:16]) == IPv4Address(CARRIERS[0])
    data = packet[12:20] + bytes((0, 17)) + packet[24:26] + packet[20:]
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_a_flood_is_refused() -> None:
    with pytest.raises(TrunklineError, match="would be a flood"):
        forge("a", CARRIERS[0], "198.51.100.12", [b"x"] * 10001)
