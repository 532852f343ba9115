"""The world around the hosts: names, time, strangers, cables, and the ports that lead in from loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from ipaddress import IPv4Network, IPv6Network

import pytest

from control.errors import TrunklineError
from inventories.model import Environment
from twin.layout import NTP
from twin.twin import Twin

TWIN = "pair"

OFFSET = """
import socket, struct, time

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
s.sendto(b"\\x23" + bytes(47), ("%s", 123)); reply = s.recv(48)
assert reply[0] & 7 == 4 and reply[1] == 1
print(struct.unpack("!I", reply[40:44])[0] - 2208988800 - time.time())
"""


def resolved(twin: Twin, node: str, name: str) -> list[str]:
    """Return what a node's resolver finds."""
    process = twin.spawn(node, ["getent", "ahosts", name], stdout=subprocess.PIPE, text=True)
    return sorted({line.split()[0] for line in process.communicate(timeout=10)[0].splitlines()})


def banner(twin: Twin, node: str, address: str) -> bytes:
    """Return what port 22 says to a node, or nothing."""
    code = f"import socket; print(socket.create_connection(({address!r}, 22), 2).recv(8))"
    process = twin.spawn(node, ["python3", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found: bytes = process.communicate(timeout=10)[0]
    return found


def test_every_node_resolves_the_hosts_and_time_servers_and_nothing_else(twin: Twin) -> None:
    for node in ("controller", "stranger"):
        assert resolved(twin, node, "edge2.lab.example") == ["198.51.100.12", "2001:db8:100::12"]
        assert resolved(twin, node, "ntp1.lab.example") == [NTP[0]]
        assert resolved(twin, node, "example.com") == []
    assert twin.run("edge1", "getent hosts edge2").stdout.split()[:2] == [
        "2001:db8:100::12",
        "edge2.lab.example",
    ]


@pytest.mark.parametrize("address", ["198.51.100.11", "198.51.100.12", "2001:db8:100::12"])
@pytest.mark.parametrize("node", ["controller", "stranger", "edge1", "edge2"])
def test_every_node_reaches_every_host(twin: Twin, node: str, address: str) -> None:
    if ":" in address and node == "edge1":
        assert banner(twin, node, address) == b""  # edge1 declares no IPv6 address
    else:
        assert b"SSH-2.0" in banner(twin, node, address)


def test_a_host_sees_where_a_stranger_comes_from(twin: Twin) -> None:
    code = "import socket; s = socket.create_connection(('2001:db8:100::12', 22)); print(s.getsockname()[0])"
    process = twin.spawn("stranger", ["python3", "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.communicate()[0].strip() == "2001:db8:ffff::66"


def test_the_time_server_lies_by_what_it_is_told(twin: Twin) -> None:
    for seconds in (0, 7, -3600):
        twin.ntp_offset(seconds)
        seen = float(twin.run("edge1", f"python3 - <<'E'\n{OFFSET % NTP[0]}E").stdout)
        assert abs(seen - seconds) < 1.5
    twin.ntp_offset(0)


def test_a_cut_cable_silences_one_host_until_it_is_mended(twin: Twin) -> None:
    twin.cut("edge1")
    assert banner(twin, "stranger", "198.51.100.11") == b""
    assert b"SSH" in banner(twin, "stranger", "198.51.100.12")
    twin.mend("edge1")
    assert b"SSH" in banner(twin, "stranger", "198.51.100.11")


def test_loopback_ports_lead_to_the_hosts(twin: Twin) -> None:
    forwards = {forward.host: forward for forward in reversed(twin.forwards) if forward.host_port == 22}
    for host in ("edge1", "edge2"):
        with socket.create_connection((forwards[host].address, forwards[host].port), 5) as connection:
            assert connection.recv(4) == b"SSH-"


def test_two_twins_with_the_same_addresses_do_not_meet(twin: Twin, lab: Environment) -> None:
    plain = {"hosts": (lab.host("edge1"), lab.host("edge2")), "databases": ()}
    other = Twin(lab.model_copy(update=plain), f"{twin.name}-other")
    try:
        began = time.monotonic()
        other.up()
        assert time.monotonic() - began < 30
        twin.run("edge1", "touch /root/first")
        assert other.run("edge1", "test -e /root/first").returncode == 1
        assert resolved(other, "controller", "edge1.lab.example") == ["198.51.100.11"]
        ports = [forward.port for forward in (*twin.forwards, *other.forwards)]
        assert len(set(ports)) == len(ports)
    finally:
        other.erase()
    assert b"SSH" in banner(twin, "controller", "198.51.100.11")


def test_a_node_that_is_not_up_is_named(twin: Twin, lab: Environment) -> None:
    nodes = "controller, edge1, edge2, stranger"
    with pytest.raises(TrunklineError, match=rf"has no node moon that is up\.\n  Nodes that are up: {nodes}"):
        twin.spawn("moon", ["true"])
    with pytest.raises(TrunklineError, match=r"Bring it up: `invoke twin\.up --twin nowhere`"):
        Twin(lab, "nowhere").spawn("stranger", ["true"])


def test_a_controller_inside_the_hosts_own_subnet_is_reached_by_both_families(lab: Environment) -> None:
    near = (IPv4Network("198.51.100.5/32"), IPv6Network("2001:db8:100::5/128"))
    alone = {"controllers": near, "hosts": (lab.host("edge2"),), "databases": ()}
    twin = Twin(lab.model_copy(update=alone), "near-tests")
    try:
        twin.up()
        for address in ("198.51.100.12", "2001:db8:100::12"):
            assert b"SSH" in banner(twin, "controller", address)
    finally:
        twin.erase()


def test_a_process_inside_the_twin_cannot_change_it(twin: Twin) -> None:
    enter = f"from twin.enter import enter; enter({twin.name!r}, 'controller')"
    look = "import socket; print(socket.gethostbyname('edge1.lab.example'))"
    imports = "from inventories.model import load; from twin.twin import Twin"
    argv = [sys.executable, "-c", f"{enter}; {look}; {imports}; Twin(load('lab'), {twin.name!r}).up()"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == "198.51.100.11\n"
    assert f"This process is inside {twin.name}.controller and cannot change a twin" in done.stderr


def test_what_needs_a_running_twin_says_so(lab: Environment) -> None:
    says = r"The twin nowhere is not up\.\n  Bring it up: `invoke twin\.up"
    with pytest.raises(TrunklineError, match=says):
        Twin(lab, "nowhere").ntp_offset(1)
    with pytest.raises(TrunklineError, match=says):
        Twin(lab, "nowhere").power_on("edge1")
