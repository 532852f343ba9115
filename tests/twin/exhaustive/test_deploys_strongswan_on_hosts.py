"""A tunnel between two real hosts: nothing leaves in clear, changes touch only whom they are about."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping

import pytest
import strongswan_site
from cryptography.x509 import load_pem_x509_certificate
from own_twin import own
from strongswan_site import ADDRESSES, OTHER

from control.authority import authority, leaf
from control.engine import ApplyFailed, Engine, StepEvent
from inventories.model import Environment
from twin.twin import Twin
from verify.rest import REPLACED

ONE, TWO = ADDRESSES
PASSWORD = "correct horse battery: staple"
FAR = {name: ADDRESSES[other].partition("/")[0] for name, other in OTHER.items()}
CLEAR = """
import socket, struct, sys, time
from ipaddress import ip_address, ip_network
nets = [ip_network(each) for each in sys.argv[2:]]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
wire.bind(("eth0", 3)); wire.settimeout(0.1)
plain = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
plain[1].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
seen, refused, end = 0, 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for each in plain:
        for net in nets:
            try: each.sendto(b"clear", (str(net[10]), 9))
            except OSError: refused += 1
    try:
        while True:
            packet = wire.recv(2048)
            ends = [ip_address(packet[12:16]), ip_address(packet[16:20])]
            seen += packet[0] >> 4 == 4 and any(end in net for end in ends for net in nets)
    except TimeoutError: pass
print(seen, refused)
"""
"""Sends to the far side, also by the outside interface itself, and counts what leaves there."""


class Tunnel:
    """Two hosts of the lab and the tunnel between them."""

    def __init__(self, lab: Environment) -> None:
        self.environment = strongswan_site.both(lab)
        self.twin = Twin(self.environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-tunnel")

    def run(self, host: str, script: str) -> str:
        """Run a script on a host, which must succeed."""
        result = self.twin.run(host, script, timeout=180)
        assert result.returncode == 0, result.stderr + result.stdout
        return result.stdout

    def deploy(self, what: str, *hosts: str, given: Mapping[str, str] | None = None) -> set[str]:
        """Deploy what `strongswan_site` calls so; return the steps that changed something.

        `given` are secrets beside the one password, by name.
        """
        chosen, changed = list(hosts or ADDRESSES), set()
        with Engine(self.environment, self.twin.name) as engine:
            secrets = {secret.name: PASSWORD for secret in self.environment.secrets()} | dict(given or {})
            states = engine.open(hosts=chosen, secrets=secrets, deploy=f"strongswan_site:{what}")
            assert {state.state for state in states} == {"connected"}
            engine.lock("a test", "me")
            engine.confirm(chosen)
            engine.plan(chosen)
            for event in engine.apply(chosen):
                if isinstance(event, StepEvent) and event.status == "changed":
                    changed.add(event.step)
        return {step for step in changed if not step.startswith(("manifest:", "guard:"))}

    def sas(self, host: str) -> dict[str, list[str]]:
        """Return the incoming SPIs of each peer's tunnels on a host: two where both ends called at a time."""
        said = self.run(host, "swanctl --list-sas 2>/dev/null")
        found: dict[str, list[str]] = {}
        for name, block in re.findall(r"^(\w+): #\d+, ESTABLISHED.*\n((?:  .*\n)*)", said, re.MULTILINE):
            spis = re.findall(r"^    in  ([0-9a-f]{8})", block, re.MULTILINE)
            found[name] = sorted([*found.get(name, []), *spis])
        return found

    def rested(self, host: str, seconds: float = REPLACED) -> dict[str, list[str]]:
        """Return the SPIs once they have stayed the same for this long.

        Where both ends called at a time there are two, and charon ends one after a while.
        """
        end, since, seen = time.monotonic() + 60, time.monotonic(), self.sas(host)
        while time.monotonic() < since + seconds:
            assert time.monotonic() < end, f"{host}'s SAs do not come to rest"
            time.sleep(0.5)
            if (now := self.sas(host)) != seen:
                since, seen = time.monotonic(), now
        return seen

    def answers(self, host: str, address: str = "", within: float = 30) -> float:
        """Return the seconds until the far side answers a ping."""
        begin = time.monotonic()
        while self.twin.run(host, f"ping -c1 -W1 {address or FAR[host]}").returncode:
            assert time.monotonic() < begin + within, f"{host} reaches nobody"
        return time.monotonic() - begin

    def in_clear(self, host: str, seconds: float = 2) -> int:
        """Return how many packets of the far networks were on the outside interface."""
        networks = " ".join(strongswan_site.NETWORKS[OTHER[host]][:1])
        said = self.run(host, f"python3 - {seconds} {networks} <<'END'\n{CLEAR}\nEND")
        return int(said.split()[0])


@pytest.fixture(scope="module")
def tunnel(lab: Environment) -> Iterator[Tunnel]:
    """Both hosts deployed."""
    tunnel = Tunnel(lab)
    with own(tunnel.twin):
        tunnel.deploy("one")
        yield tunnel


def test_the_tunnel_is_up_from_both_ends(tunnel: Tunnel) -> None:
    assert tunnel.answers(ONE) < 30
    assert tunnel.answers(TWO) < 30


def test_a_second_deploy_changes_nothing(tunnel: Tunnel) -> None:
    assert tunnel.deploy("one") == set()


def test_nothing_leaves_in_clear_with_the_tunnel_up_or_down(tunnel: Tunnel) -> None:
    assert tunnel.in_clear(ONE) == 0
    tunnel.run(ONE, "systemctl stop strongswan")
    try:
        assert tunnel.in_clear(ONE) == 0
        # The probe sees what leaves: without what protects, it does.
        tunnel.run(ONE, "systemctl stop trunkline-tunnels")
        assert tunnel.in_clear(ONE) > 0
    finally:
        tunnel.run(ONE, "systemctl start strongswan")
    tunnel.answers(ONE)
    assert tunnel.in_clear(ONE) == 0


def test_nobody_translates_what_the_tunnel_carries(tunnel: Tunnel) -> None:
    rules = ("-o ipsec0 -j MASQUERADE", "-j SNAT --to-source 10.10.10.77")
    for rule in rules:
        tunnel.run(ONE, f"iptables -t nat -A POSTROUTING {rule}")
    try:
        tunnel.answers(ONE)
        assert "0     0 MASQ" in tunnel.run(ONE, "iptables -t nat -vnL POSTROUTING")
    finally:
        for rule in rules:
            tunnel.run(ONE, f"iptables -t nat -D POSTROUTING {rule}")


def test_a_peer_that_comes_changes_or_goes_leaves_the_other_alone(tunnel: Tunnel) -> None:
    before = tunnel.rested(ONE)[TWO]
    for what in ("two", "other_ghost", "one"):
        assert "strongswan: peers" in tunnel.deploy(what, ONE)
        assert tunnel.sas(ONE)[TWO] == before
    assert tunnel.run(ONE, "ls /etc/swanctl/conf.d").split() == [f"{TWO}-secrets.conf", f"{TWO}.conf"]
    assert "10.77" not in tunnel.run(ONE, "ip route; nft list table inet trunkline_tunnels")


def test_peers_that_charon_refuses_are_swapped_back(tunnel: Tunnel) -> None:
    before = tunnel.rested(ONE)[TWO]
    with pytest.raises(ApplyFailed) as failed:
        tunnel.deploy("broken", ONE)
    assert "proposals" in failed.value.message
    assert "everything is as it was" in failed.value.message
    assert tunnel.sas(ONE)[TWO] == before
    assert tunnel.deploy("one", ONE) == set()


def test_a_secret_is_taken_on_without_a_cut(tunnel: Tunnel) -> None:
    before = tunnel.rested(ONE)[TWO]
    path = f"/etc/swanctl/conf.d/{TWO}-secrets.conf"
    tunnel.run(ONE, f"sed -i 's/secret = .*/secret = 0xdeadbeef/' {path}")
    assert tunnel.deploy("one", ONE) == {"strongswan: peers"}
    assert tunnel.sas(ONE)[TWO] == before


def test_a_loss_of_ten_seconds_is_outlived(tunnel: Tunnel) -> None:
    before = tunnel.sas(ONE)
    tunnel.twin.cut(TWO)
    try:
        lost = time.monotonic()
        while time.monotonic() < lost + 10:
            tunnel.twin.run(ONE, f"ping -c1 -W1 {FAR[ONE]}")
    finally:
        tunnel.twin.mend(TWO)
    tunnel.answers(ONE)
    assert tunnel.sas(ONE) == before


def test_a_peer_that_crashed_and_does_not_call_is_back_within_twenty_seconds(tunnel: Tunnel) -> None:
    quiet = f"sed -i 's/start_action = start/start_action = none/' /etc/swanctl/conf.d/{ONE}.conf"
    tunnel.run(TWO, f"systemctl stop trunkline-tunnels-up.timer; {quiet}; systemctl kill -s KILL strongswan")
    assert tunnel.answers(ONE) < 20
    assert tunnel.deploy("one", TWO) >= {"strongswan: peers"}


def test_it_is_up_after_a_reboot(tunnel: Tunnel) -> None:
    tunnel.twin.reboot(ONE)
    tunnel.answers(ONE, within=60)
    assert tunnel.in_clear(ONE) == 0
    assert tunnel.deploy("one", ONE) == set()


def test_other_networks_of_a_peer_are_taken_on(tunnel: Tunnel) -> None:
    tunnel.deploy("wider")
    end = time.monotonic() + 30
    while len(tunnel.sas(ONE).get(TWO, ())) < 4 and time.monotonic() < end:
        time.sleep(0.5)
    assert len(tunnel.rested(ONE)[TWO]) == 4


def test_the_files_that_our_own_authority_makes_are_taken_by_both_ends(tunnel: Tunnel) -> None:
    ca, signs = authority("Tunnels of a test")
    files = {"tunnel_ca": ca}
    for host, address in strongswan_site.PUBLIC.items():
        its = strongswan_site.proof(host)
        pair = leaf([address], load_pem_x509_certificate(ca.encode()), signs)
        files |= dict(zip((its.certificate.name, its.key.name), pair, strict=True))
    tunnel.deploy("certified", given=files)
    for host in ADDRESSES:
        tunnel.run(host, "swanctl --terminate --ike '*' --timeout 5 2>&1 || true")
    tunnel.answers(ONE)
    assert "public key" in tunnel.run(ONE, "swanctl --list-conns")
    assert tunnel.in_clear(ONE) == 0
    assert tunnel.deploy("certified", given=files) == set()
    tunnel.deploy("one")
    tunnel.answers(ONE)


def test_a_host_without_tunnels_keeps_nothing_of_them(tunnel: Tunnel) -> None:
    tunnel.deploy("nothing", ONE)
    left = "ip route; ip address show dev lo; nft list tables; ls -R /etc/trunkline /etc/systemd/system"
    said = tunnel.run(ONE, f"({left}) 2>&1 || true")
    assert "unreachable" not in said
    assert "10.10.10.1" not in said
    assert "trunkline_tunnels" not in said
    assert "tunnels" not in said
    assert tunnel.run(ONE, "systemctl is-active strongswan || true") == "inactive\n"
    assert tunnel.deploy("nothing", ONE) == set()
    tunnel.deploy("one", ONE)
    tunnel.answers(ONE)
