"""Links, addresses, routes, rules and settings: the way from a changed network back to the old one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from deploys._agent import network, sysctl, units

BEFORE: network.State = {
    "links": {"lo": {"up": True, "mtu": 65536}, "eth0": {"up": True, "mtu": 1500}},
    "addresses": [["eth0", "fixed", "192.0.2.10/24", "scope", "global"]],
    "routes": {"-4": ["default via 192.0.2.1 dev eth0", "192.0.2.0/24 dev eth0 proto kernel"], "-6": []},
    "rules": {"-4": ["priority 32766 from all lookup main"], "-6": []},
}


def changed(**parts: Any) -> network.State:
    now = json.loads(json.dumps(BEFORE))
    for name, value in parts.items():
        if isinstance(now[name], dict):
            now[name].update(value)
        else:
            now[name] = value
    return dict(now)


@pytest.mark.parametrize(
    ("now", "commands"),
    [
        (BEFORE, []),
        (
            changed(links={"eth0": {"up": False, "mtu": 576}}),
            ["ip link set dev eth0 mtu 1500", "ip link set dev eth0 up"],
        ),
        (
            changed(routes={"-4": ["192.0.2.0/24 dev eth0 proto kernel"]}),
            ["ip -4 route replace default via 192.0.2.1 dev eth0"],
        ),
        (
            changed(routes={"-4": []}),
            [
                "ip -4 route replace 192.0.2.0/24 dev eth0 proto kernel",
                "ip -4 route replace default via 192.0.2.1 dev eth0",
            ],
        ),
        (
            changed(routes={"-4": [*BEFORE["routes"]["-4"], "blackhole 198.51.100.0/24"]}),
            ["ip -4 route del blackhole 198.51.100.0/24"],
        ),
        (changed(routes={"-4": [*BEFORE["routes"]["-4"], "172.17.0.0/16 dev docker0 proto kernel"]}), []),
        (changed(routes={"-4": [*BEFORE["routes"]["-4"], "10.9.0.0/16 dev eth0 proto dhcp"]}), []),
        (
            changed(rules={"-4": [*BEFORE["rules"]["-4"], "priority 100 from all blackhole"]}),
            ["ip -4 rule del priority 100 from all blackhole"],
        ),
        (changed(rules={"-4": []}), ["ip -4 rule add priority 32766 from all lookup main"]),
        (
            changed(addresses=[["eth0", "fixed", "192.0.2.99/24", "scope", "global"]]),
            [
                "ip address del 192.0.2.99/24 dev eth0",
                "ip address replace 192.0.2.10/24 scope global dev eth0",
            ],
        ),
        (
            changed(
                links={"docker0": {"up": True, "mtu": 1500}},
                addresses=[*BEFORE["addresses"], ["docker0", "fixed", "172.17.0.1/16", "scope", "global"]],
            ),
            [],
        ),
    ],
    ids=[
        "nothing changed",
        "a link went down",
        "the default route went",
        "every route went: the near one first",
        "a black hole was laid",
        "Docker's route is Docker's",
        "a lease's route is the lease's",
        "a rule was added",
        "a rule went",
        "an address was swapped",
        "Docker's bridge is Docker's",
    ],
)
def test_the_way_back_when(now: network.State, commands: list[str]) -> None:
    assert [" ".join(argv) for argv in network.steps(BEFORE, now)] == commands


_IN_A_NETWORK_OF_ITS_OWN = """
import subprocess, sys
from deploys._agent import network
def ip(*words):
    subprocess.run(["ip", *words], check=True)
ip("link", "set", "lo", "up")
for name, peer in (("eth0", "far"),):
    ip("link", "add", name, "type", "veth", "peer", "name", peer)
    ip("link", "set", peer, "up"); ip("link", "set", name, "up", "mtu", "1400")
ip("address", "add", "192.0.2.10/24", "dev", "eth0")
ip("-6", "address", "add", "2001:db8::10/64", "dev", "eth0", "nodad")
ip("route", "add", "default", "via", "192.0.2.1")
ip("-6", "route", "add", "default", "via", "2001:db8::1")
ip("route", "add", "198.51.100.0/24", "via", "192.0.2.7", "table", "100")
ip("route", "add", "203.0.113.0/24", "nexthop", "via", "192.0.2.8", "nexthop", "via", "192.0.2.9")
ip("rule", "add", "priority", "90", "fwmark", "0x1", "lookup", "100")
before = network.remember()
for change in CHANGES:
    ip(*change.split())
assert network.steps(before, network.remember()), "the change must be seen"
restored, problems = network.give_back(before, 3.0)
assert not problems, problems
assert network.remember() == before, (network.steps(before, network.remember()), before, network.remember())
"""


@pytest.mark.parametrize(
    "changes",
    [
        ["route del default"],
        ["-6 route del default", "-6 address del 2001:db8::10/64 dev eth0"],
        ["link set eth0 down"],
        ["link set eth0 mtu 1300"],
        ["address flush dev eth0"],
        ["rule del priority 90", "route flush table 100"],
        ["route replace default via 192.0.2.66"],
        ["route add blackhole 198.18.0.0/15", "-6 route add unreachable 2001:db8:7::/48"],
        ["route del 203.0.113.0/24"],
        ["rule add priority 5 from all prohibit", "-6 rule add priority 5 from all prohibit"],
    ],
    ids=lambda changes: changes[0],
)
def test_a_real_network_comes_back_after(changes: list[str]) -> None:
    script = _IN_A_NETWORK_OF_ITS_OWN.replace("CHANGES", repr(changes))
    own = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    done = subprocess.run([*own, sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/5.rp_filter", "net/ipv4/conf/eth0.5/rp_filter"),
        ("net/ipv4/conf/eth0.5/rp_filter", "net/ipv4/conf/eth0.5/rp_filter"),
    ],
)
def test_a_key_finds_its_file_as_sysctl_finds_it(key: str, path: str) -> None:
    assert sysctl.key_path(key) == path


@pytest.mark.parametrize(
    ("before", "now", "steps"),
    [
        ("enabled active", "enabled active", []),
        ("enabled active", "disabled inactive", ["enable", "start"]),
        ("enabled active", "masked inactive", ["unmask", "enable", "start"]),
        ("masked inactive", "enabled active", ["mask", "stop"]),
        ("disabled inactive", "enabled active", ["disable", "stop"]),
        ("static active", "static failed", ["start"]),
        ("enabled failed", "enabled active", ["stop"]),
    ],
)
def test_a_unit_comes_back_by(
    monkeypatch: pytest.MonkeyPatch, before: str, now: str, steps: list[str]
) -> None:
    def state(text: str) -> dict[str, str]:
        file, active = text.split()
        return {"LoadState": "loaded", "UnitFileState": file, "ActiveState": active}

    from deploys._agent.command import Outcome

    asked: list[str] = []

    def systemctl(*words: str, seconds: float = 30) -> Outcome:
        if words[0] == "show":
            return Outcome(0, "\n".join(f"{key}={value}" for key, value in state(now).items()))
        asked.append(words[0])
        return Outcome(0, "")

    monkeypatch.setattr(units, "systemctl", systemctl)
    units.give_back({"ssh.service": state(before)})
    assert asked == steps
