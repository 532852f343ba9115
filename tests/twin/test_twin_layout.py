"""The map of a twin, and what its small servers say: no host needed."""

from __future__ import annotations

import struct
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from control.errors import TrunklineError
from inventories.model import Environment, load
from twin import archive, ntp
from twin.archive import Archive, Suite
from twin.layout import ACME, DNS, NTP, REGISTRY, Layout, layout_of
from twin.outside import servers


@pytest.fixture
def lab() -> Environment:
    """The laboratory's two plain hosts."""
    whole = load("lab")
    return whole.model_copy(update={"hosts": (whole.host("edge1"), whole.host("edge2")), "databases": ()})


def with_host(lab: Environment, **changes: object) -> Environment:
    """Return the lab with its first host changed."""
    return lab.model_copy(update={"hosts": (lab.hosts[0].model_copy(update=changes), *lab.hosts[1:])})


def test_hosts_of_one_subnet_share_a_bridge_and_its_gateway(lab: Environment) -> None:
    layout = layout_of(lab, "a")
    assert [bridge.addresses for bridge in layout.bridges] == [("198.51.100.1/24", "2001:db8:100::1/64")]
    assert {layout.wire(host).bridge for host in ("edge1", "edge2")} == {"br0"}
    assert layout.wire("edge2").gateways == ("198.51.100.1", "2001:db8:100::1")


def test_a_gateway_is_never_a_hosts_address(lab: Environment) -> None:
    layout = layout_of(with_host(lab, address=IPv4Interface("198.51.100.1/24")), "a")
    assert layout.wire("edge1").gateways == ("198.51.100.2",)


def test_hosts_of_two_subnets_have_a_router_between_them(lab: Environment) -> None:
    layout = layout_of(with_host(lab, address=IPv4Interface("10.1.0.5/16")), "a")
    assert [wire.bridge for wire in layout.wires] == ["br0", "br1", None, None]
    assert layout.wire("edge1").gateways == ("10.1.0.1",)


def test_the_controller_has_the_first_address_of_its_network(lab: Environment) -> None:
    assert layout_of(lab, "a").wire("controller").addresses == ("192.0.2.10", "2001:db8::10")
    wide = lab.model_copy(update={"controllers": (IPv4Network("10.9.0.0/16"),)})
    assert layout_of(wide, "a").wire("controller").addresses == ("10.9.0.1",)


@pytest.mark.parametrize(
    ("address", "taken_by"),
    [
        (f"{DNS}/24", "the twin's DNS"),
        (f"{NTP[1]}/24", "the twin's time server"),
        ("192.0.2.80/24", "the twin's package proxy"),
        ("203.0.113.66/24", "the twin's stranger"),
        ("192.0.2.10/24", "the twin's controller"),
    ],
)
def test_a_host_cannot_have_an_address_of_the_world(lab: Environment, address: str, taken_by: str) -> None:
    with pytest.raises(TrunklineError) as refused:
        layout_of(with_host(lab, address=IPv4Interface(address)), "a")
    assert refused.value.message == f"edge1 and {taken_by} have the same address {address.split('/')[0]}."


def test_a_host_cannot_have_the_name_of_a_node_of_the_world(lab: Environment) -> None:
    with pytest.raises(TrunklineError, match="A host named stranger cannot have a twin"):
        layout_of(with_host(lab, name="stranger"), "a")


@pytest.mark.parametrize("name", ["", "a.b", "A", "1a", "a/b", "x" * 33])
def test_a_name_that_could_be_mistaken_is_refused(lab: Environment, name: str) -> None:
    with pytest.raises(TrunklineError, match="is no name for a twin"):
        layout_of(lab, name)


def test_a_cables_address_stays_and_no_two_are_alike(lab: Environment) -> None:
    first, second = layout_of(lab, "a"), layout_of(lab, "a")
    assert first == second
    assert len({wire.mac for wire in (*first.wires, *layout_of(lab, "b").wires)}) == 8


def test_a_layout_is_read_as_it_was_written(lab: Environment) -> None:
    layout = layout_of(lab, "a")
    assert Layout.from_json(layout.to_json()) == layout


def test_dns_knows_the_hosts_and_the_time_servers(lab: Environment) -> None:
    assert layout_of(lab, "a").names == {
        "edge1.lab.example": ("198.51.100.11",),
        "edge2.lab.example": ("198.51.100.12", "2001:db8:100::12"),
        "ntp1.lab.example": (NTP[0],),
        "ntp2.lab.example": (NTP[1],),
    }


def test_dns_knows_what_web_hosts_serve_and_what_they_ask_outside() -> None:
    names = layout_of(load("lab"), "a").names
    for site in ("shop.lab.example", "www.shop.lab.example", "crm.lab.example"):
        assert names[site] == names["web1.lab.example"] == ("198.51.100.21",)
    assert names["registry-1.docker.io"] == (REGISTRY,)
    assert names["acme-v02.api.letsencrypt.org"] == names["acme-staging-v02.api.letsencrypt.org"] == (ACME,)
    assert (names["db.lab.example"], names["cache.lab.example"]) == (("192.0.2.200",), ("192.0.2.201",))


def test_another_acme_directory_and_another_registry_are_answered_too() -> None:
    whole = load("lab")
    web1 = whole.host("web1")
    assert web1.certbot
    assert web1.compose
    certbot = web1.certbot.model_copy(update={"directory": "https://ca.office.example:8443/acme/dir"})
    stack = web1.compose.stacks[0]
    redis = stack.service("redis").model_copy(update={"image": "registry.office.example/redis:7"})
    compose = web1.compose.model_copy(
        update={"stacks": (stack.model_copy(update={"services": (redis, *stack.services[1:])}),)}
    )
    changed = web1.model_copy(update={"certbot": certbot, "compose": compose})
    names = layout_of(whole.model_copy(update={"hosts": (changed,)}), "a").names
    assert names["ca.office.example"] == (ACME,)
    assert names["registry.office.example"] == (REGISTRY,)


def test_databases_of_one_host_share_a_node_and_of_one_port_a_server() -> None:
    whole = load("lab")
    db, cache = whole.databases
    more = db.model_copy(update={"name": "more", "database": "more"})
    pool = db.model_copy(update={"name": "pool", "port": 25070})
    grown = whole.model_copy(update={"databases": (db, cache, more, pool)})
    assert layout_of(grown, "a").names["db.lab.example"] == ("192.0.2.200",)
    found = [(each.node, each.port, [its.name for its in each.databases]) for each in servers(grown)]
    assert found == [
        ("database-db", 25060, ["db", "more"]),
        ("database-cache", 25061, ["cache"]),
        ("database-db", 25070, ["pool"]),
    ]
    wrong = cache.model_copy(update={"host": db.host, "port": db.port})
    with pytest.raises(TrunklineError, match=r"db and cache have the same port of db\.lab\.example"):
        servers(whole.model_copy(update={"databases": (db, wrong)}))


def test_a_time_reply_carries_the_clients_own_timestamp_back() -> None:
    request = bytes([0x23]) + bytes(39) + struct.pack("!Q", 0x1122334455667788)
    reply = ntp.answer(request, 1000.5, 1000.75)
    assert reply is not None
    assert (reply[0], reply[1]) == (0x24, 1)  # version 4, mode server; stratum 1
    origin, received, sent = struct.unpack("!QQQ", reply[24:48])
    assert origin == 0x1122334455667788
    assert (received, sent) == ((ntp.EPOCH + 1000 << 32) + (1 << 31), (ntp.EPOCH + 1000 << 32) + (3 << 30))


@pytest.mark.parametrize("request_", [b"", bytes(47), bytes([0x24]) + bytes(47), bytes([0x03]) + bytes(47)])
def test_what_is_no_request_of_a_client_gets_no_reply(request_: bytes) -> None:
    assert ntp.answer(request_, 0, 0) is None


def test_a_host_never_sees_a_login_or_https_of_the_archive() -> None:
    suite = Suite("https://user:secret@archive.example:8443/debian", "trixie")
    assert suite.source.endswith("] http://archive.example:8443/debian trixie main")


def test_the_archive_is_taken_from_the_machines_own_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRUNKLINE_ARCHIVE", "TRUNKLINE_ARCHIVE_SECURITY"):
        monkeypatch.delenv(name, raising=False)
    code = archive._codenames()[0]
    said = (
        "'https://other.example/dists/nodistro/InRelease' x 0\n"
        f"'http://one.example/debian/dists/{code}/InRelease' x 0\n"
        f"'http://two.example/sec/dists/{code}-security/InRelease' x 0\n"
    )
    monkeypatch.setattr(archive, "command", lambda *_: said)
    assert archive.archive() == Archive("http://one.example/debian", "http://two.example/sec")
    monkeypatch.setattr(archive, "command", lambda *_: "")
    with pytest.raises(TrunklineError, match=r"knows no Debian archive"):
        archive.archive()


def test_an_archive_of_ubuntu_is_not_taken_for_debians(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine with Ubuntu boots a twin from where it is told Debian's archive is."""
    for name in ("TRUNKLINE_ARCHIVE", "TRUNKLINE_ARCHIVE_SECURITY"):
        monkeypatch.delenv(name, raising=False)
    system = tmp_path / "os-release"
    system.write_text("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n")
    monkeypatch.setattr(archive, "OS_RELEASE", system)
    said = "".join(
        f"'http://one.example/ubuntu/dists/noble{pocket}/InRelease' x 0\n"
        for pocket in ("", "-updates", "-security")
    )
    monkeypatch.setattr(archive, "command", lambda *_: said)
    with pytest.raises(TrunklineError, match=r"set TRUNKLINE_ARCHIVE and TRUNKLINE_ARCHIVE_SECURITY"):
        archive.archive()
    monkeypatch.setenv("TRUNKLINE_ARCHIVE", "http://two.example/debian")
    monkeypatch.setenv("TRUNKLINE_ARCHIVE_SECURITY", "http://two.example/sec")
    assert archive.archive() == Archive("http://two.example/debian", "http://two.example/sec")
