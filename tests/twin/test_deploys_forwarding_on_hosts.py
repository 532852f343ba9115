"""What a host passes on, really sent through one: nothing that is not declared, containers or not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploys import firewall
from inventories.model import Environment, Firewall, Forward, Opening
from twin.enter import enter_argv
from twin.twin import Twin

TWIN = "pair"

TOP = Path(__file__).resolve().parents[2]
HOST = "edge2"
PUBLISHED, OTHER = 8080, 8081
INSIDE = {4: "10.99.0.2", 6: "fd99::2"}
CONTROLLER = {4: "192.0.2.10/32", 6: "2001:db8::10/128"}
CONTAINER = f"""
ip netns add box
ip link add br-box type veth peer name eth0 netns box
ip addr add 10.99.0.1/24 dev br-box && ip addr add fd99::1/64 dev br-box nodad && ip link set br-box up
ip -n box addr add 10.99.0.2/24 dev eth0 && ip -n box addr add fd99::2/64 dev eth0 nodad
ip -n box link set eth0 up && ip -n box link set lo up
ip -n box route add default via 10.99.0.1 && ip -n box route add default via fd99::1
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
systemd-run -q --unit=box ip netns exec box python3 -m http.server --bind :: 80
for port in {PUBLISHED} {OTHER}; do
    iptables -t nat -A PREROUTING -p tcp --dport $port -j DNAT --to-destination 10.99.0.2:80
    ip6tables -t nat -A PREROUTING -p tcp --dport $port -j DNAT --to-destination [fd99::2]:80
done
for n in $(seq 50); do ip netns exec box ss -Hltn | grep -q :80 && exit 0; sleep 0.1; done; exit 1
"""
"""A server behind the host, its port published twice, as Docker's proxy-less ports are (DNAT)."""
AS_DOCKER = """
for tables in iptables ip6tables; do
    $tables -A FORWARD -o br-box -j ACCEPT
    $tables -I FORWARD 1 -o br-box -j ACCEPT; $tables -I FORWARD 1 -j DOCKER-USER
done
"""
"""Docker's own order: first DOCKER-USER is asked, then Docker lets everything in, UFW's chains come last."""


def run(twin: Twin, script: str) -> str:
    result = twin.run(HOST, script, timeout=180)
    assert result.returncode == 0, result.stderr
    return result.stdout


def load(twin: Twin, lab: Environment, declared: Firewall) -> None:
    """Put a firewall's files in place and load them."""
    host = lab.host(HOST).model_copy(update={"firewall": declared})
    for file in (*firewall.files(host, lab), firewall.loader()):
        twin.write(HOST, file.path, file.content.encode(), int(file.mode, 8))
    run(twin, f"mkdir -p /var/lib/trunkline && {firewall.LOADER} load")


def opened(twin: Twin, lab: Environment, node: str, version: int) -> set[int]:
    """Return which of the published ports somebody reaches."""
    host = lab.host(HOST)
    interface = host.address if version == 4 else host.address6
    assert interface is not None
    ports = f"{PUBLISHED},{OTHER}"
    argv = [*enter_argv(twin.name, node), sys.executable, "-m", "verify.probes.tcp", str(interface.ip)]
    argv += ["--ports", ports, "--timeout", "0.7", "--json"]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True, timeout=60)
    return {each["port"] for each in json.loads(done.stdout)["ports"] if each["state"] == "open"}


@pytest.fixture(scope="module")
def box(twin: Twin) -> Twin:
    """The twin with UFW on one host, and a server that this host publishes."""
    twin.restore("bare")
    run(twin, "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install ufw >/dev/null")
    run(twin, CONTAINER)
    return twin


@pytest.fixture(scope="module")
def docker(box: Twin, lab: Environment) -> Iterator[Twin]:
    """The same with Docker's rules before UFW's."""
    load(box, lab, Firewall())
    run(box, AS_DOCKER)
    yield box
    run(box, AS_DOCKER.replace("-A FORWARD", "-D FORWARD").replace("-I FORWARD 1", "-D FORWARD"))


@pytest.mark.parametrize("version", [4, 6])
def test_without_our_chain_a_published_port_is_open_to_everybody(
    docker: Twin, lab: Environment, version: int
) -> None:
    tables = "iptables" if version == 4 else "ip6tables"
    run(docker, f"{tables} -F DOCKER-USER")
    assert opened(docker, lab, "stranger", version) == {PUBLISHED, OTHER}
    run(docker, f"{firewall.LOADER} load")
    assert opened(docker, lab, "stranger", version) == set()


@pytest.mark.parametrize("version", [4, 6])
def test_a_published_port_is_open_to_those_to_whom_it_is_declared(
    docker: Twin, lab: Environment, version: int
) -> None:
    load(docker, lab, Firewall(extra=(Opening.port(PUBLISHED, "tcp", "web", CONTROLLER.values()),)))
    assert opened(docker, lab, "stranger", version) == set()
    assert opened(docker, lab, "controller", version) == {PUBLISHED}
    load(docker, lab, Firewall(extra=(Opening.port(PUBLISHED, "tcp", "web"),)))
    assert opened(docker, lab, "stranger", version) == {PUBLISHED}


def test_a_container_still_reaches_the_world(docker: Twin, lab: Environment) -> None:
    load(docker, lab, Firewall())
    run(docker, "iptables -t nat -A POSTROUTING -s 10.99.0.0/24 ! -o br-box -j MASQUERADE")
    run(docker, "iptables -I FORWARD 2 -i br-box -j ACCEPT")
    out = "import socket; socket.create_connection(('192.0.2.80', 3142), 3).close()"
    try:
        run(docker, f'ip netns exec box python3 -c "{out}"')
    finally:
        run(docker, "iptables -D FORWARD -i br-box -j ACCEPT; iptables -t nat -F POSTROUTING")


@pytest.mark.parametrize("version", [4, 6])
def test_only_a_declared_forward_is_passed_on(box: Twin, lab: Environment, version: int) -> None:
    load(box, lab, Firewall())
    assert opened(box, lab, "controller", version) == set()
    inside = f"{INSIDE[version]}/{32 if version == 4 else 128}"
    tunnel = Forward(source=CONTROLLER[version], destination=inside, why="the tunnel's two sides")
    load(box, lab, Firewall(forwards=(tunnel,)))
    assert opened(box, lab, "controller", version) == {PUBLISHED, OTHER}
    assert opened(box, lab, "stranger", version) == set()
