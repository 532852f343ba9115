"""Two offices of a twin, each with a real gateway, against a host whose strongSwan was set up by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from control.errors import TrunklineError
from tests.twin.offices_site import DEPOT, HQ, site, vpn
from tests.twin.swanctl_by_hand import INSTALL, begin, configure
from twin import network
from twin.cgroup import whole
from twin.gateway import Gateway
from twin.given import given
from twin.twin import Twin

HOST = vpn("vpn1", "198.51.100.31/24", HQ, DEPOT)
ASK = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(1)
answers = 0
for number in range(int(sys.argv[2])):
    sock.sendto(b"%d" % number, (sys.argv[1], 5060))
    try:
        answers += sock.recv(100) == b"%d" % number
    except OSError:
        pass
print(answers)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Twin]:
    """A twin of one host with its tunnels, which was installed by hand."""
    twin = Twin(site(HOST), f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-offices-tests")
    twin.erase()
    try:
        twin.up()
        done = twin.run("vpn1", INSTALL, timeout=400)
        assert done.returncode == 0, done.stderr[-800:]
        configure(twin, HOST, given(twin.environment, twin.name))
        begin(twin, HOST)
        yield twin
    finally:
        twin.erase()


@pytest.fixture
def twin(running: Twin) -> Twin:
    """The same twin, truthful, with all tunnels up."""
    for office in running.world.gateways.all.values():
        if office.status().changed or office.status().state != "up":
            office.restore()
        assert office.initiate(), office.log.read_text()[-800:]
    return running


@pytest.fixture
def hq(twin: Twin) -> Gateway:
    """The office behind NAT, with a pre-shared key."""
    return twin.office("hq")


@pytest.fixture
def depot(twin: Twin) -> Gateway:
    """The office with certificates."""
    return twin.office("depot")


def answered(twin: Twin, node: str, address: str, count: int = 3) -> int:
    """Return how many of `count` datagrams to UDP port 5060 come back to a node."""
    with twin.spawn(node, [sys.executable, "-c", ASK, address, str(count)], stdout=subprocess.PIPE) as asked:
        return int(asked.communicate(timeout=30)[0])


def spis(office: Gateway) -> set[str]:
    """Return the SPIs of the children that carry."""
    return {child.spi_in for sa in office.sas() for child in sa.children if child.state == "INSTALLED"}


def carried(office: Gateway) -> tuple[int, int]:
    """Return how many packets a gateway's only child took in and gave out."""
    (child,) = (child for sa in office.sas() for child in sa.children)
    return child.packets_in, child.packets_out


def until(claim: Callable[[], bool], seconds: float = 10) -> bool:
    """Say whether a claim comes true in time."""
    end = time.monotonic() + seconds
    while not (true := claim()) and time.monotonic() < end:
        time.sleep(0.05)
    return true


def test_both_gateways_have_the_declared_tunnel(hq: Gateway, depot: Gateway) -> None:
    for office, peer, address in ((hq, HQ, "192.168.1.2"), (depot, DEPOT, "203.0.113.30")):
        (sa,) = office.sas()
        assert (sa.version, sa.state) == (2, "ESTABLISHED")
        assert (sa.local_id, sa.remote_id) == (peer.id, "198.51.100.31")
        assert (sa.local_host, sa.remote_port, sa.encap) == (address, 4500, True)
        assert (sa.encryption, sa.integrity, sa.group) == ("AES_CBC-256", "HMAC_SHA2_256_128", "MODP_2048")
        (child,) = sa.children
        assert (child.local_ts, child.remote_ts) == ((str(peer.remote[0]),), ("10.10.10.0/24",))
        assert (child.protocol, child.encap, child.group) == ("ESP", True, None)


def test_who_is_beside_the_host_and_the_pbx_reach_each_other_through_the_tunnel_only(
    twin: Twin, hq: Gateway, depot: Gateway
) -> None:
    before = {office.name: carried(office) for office in (hq, depot)}
    for office in (hq, depot):
        assert answered(twin, "beside-vpn1", office.pbx) == 3
        assert carried(office) == (before[office.name][0] + 3, before[office.name][1] + 3)
    assert twin.run("vpn1", f"ping -c 2 -W 1 -I 10.10.10.1 {hq.pbx}").returncode == 0
    hq.crash()
    assert answered(twin, "beside-vpn1", hq.pbx, 1) == 0
    assert answered(twin, "stranger", depot.pbx, 1) == 0


def test_new_keys_have_other_spis_and_the_group_of_the_console(hq: Gateway) -> None:
    before = spis(hq)
    hq.rekey()
    assert until(lambda: spis(hq).isdisjoint(before) and len(spis(hq)) == 1)
    assert [child.group for sa in hq.sas() for child in sa.children if child.spi_in in spis(hq)] == [
        "MODP_2048"
    ]


@pytest.mark.parametrize("group", [None, "modp3072"])
def test_a_tunnel_with_another_pfs_comes_up_and_gets_no_new_keys(
    twin: Twin, hq: Gateway, group: str | None
) -> None:
    hq.reload(pfs=group)
    assert hq.initiate()
    assert answered(twin, "beside-vpn1", hq.pbx, 1) == 1
    before = spis(hq)
    hq.rekey()
    assert until(lambda: "NO_PROPOSAL_CHOSEN" in hq.log.read_text().rpartition("vici rekey")[2])
    assert spis(hq) == before


def test_a_gateway_that_crashed_is_back_when_it_is_started(twin: Twin, hq: Gateway) -> None:
    hq.crash()
    with pytest.raises(TrunklineError, match=r"gateway-hq of the twin .* does not answer"):
        hq.sas()
    hq.start()
    assert until(hq.up)
    assert answered(twin, "beside-vpn1", hq.pbx, 1) == 1


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("hq", {"psk": "wrong"}, "AUTH_FAILED"),
        ("hq", {"id": "192.168.1.3"}, "AUTH_FAILED"),
        ("hq", {"local": ["192.168.151.0/24"]}, "TS_UNACCEPT"),
        ("hq", {"ike": "aes128-sha256-modp2048"}, "NO_PROPOSAL_CHOSEN"),
        ("depot", {"expired": True}, "AUTH_FAILED"),
    ],
)
def test_a_gateway_that_is_wrong_is_refused_until_it_is_restored(
    twin: Twin, name: str, changes: dict[str, Any], says: str
) -> None:
    office = twin.office(name)
    said = len(office.log.read_text())
    office.reload(**changes)
    assert office.status().changed == tuple(changes)
    assert until(lambda: says in office.log.read_text()[said:])
    assert not office.up()
    office.restore()
    assert office.initiate()
    assert office.status().changed == ()


def test_a_console_refuses_a_field_that_it_does_not_have(hq: Gateway) -> None:
    with pytest.raises(TrunklineError, match="A console has no pks"):
        hq.reload(pks="x")


def test_the_host_reaches_the_gateway_behind_the_nat_only_where_it_is_forwarded(
    twin: Twin, hq: Gateway
) -> None:
    call = "swanctl --terminate --ike hq --force; swanctl --initiate --child hq --timeout 2"
    hq.reload(calls=False)
    assert twin.run("vpn1", call).returncode == 0
    hq.terminate()
    hq.forwarding(False)
    assert twin.run("vpn1", call).returncode != 0


def test_a_cable_is_cut_loses_packets_and_passes_ports_only(twin: Twin, hq: Gateway, depot: Gateway) -> None:
    twin.cut("pbx-hq")
    assert answered(twin, "beside-vpn1", hq.pbx, 1) == 0
    twin.mend("pbx-hq")
    twin.lose("nat-hq", 100)
    assert answered(twin, "beside-vpn1", hq.pbx, 1) == 0
    twin.lose("nat-hq", 0)
    depot.only(udp=True)
    assert answered(twin, "beside-vpn1", hq.pbx, 1) == answered(twin, "beside-vpn1", depot.pbx, 1) == 1
    assert twin.run("vpn1", f"ping -c 1 -W 1 {depot.address}").returncode == 1
    depot.only(udp=False)
    assert twin.run("vpn1", f"ping -c 1 -W 1 {depot.address}").returncode == 0


def test_everything_is_truthful_again_after_a_restore_and_nothing_is_left_after_down(twin: Twin) -> None:
    twin.snapshot("here")
    twin.office("hq").reload(psk="wrong", calls=False)
    twin.office("hq").forwarding(False)
    twin.cut("pbx-depot")
    twin.lose("beside-vpn1", 100)
    twin.restore("here")
    assert [office.changed for office in twin.status().offices] == [(), ()]
    links = twin.run("vpn1", "ip -br link show eth1; ip -br -4 addr show eth1").stdout
    assert "DOWN" in links
    assert "10.10.10.1" not in links
    begin(twin, HOST)
    for office in twin.world.gateways.all.values():
        assert until(lambda office=office: answered(twin, "beside-vpn1", office.pbx, 1) == 1, 20)
    twin.down()
    assert not network.namespaces_of(twin.name)
    assert not whole(twin.name).exists()
    assert not twin.directory.exists()
