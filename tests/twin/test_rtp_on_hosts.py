"""The range probe on a real host behind a real packet filter, from two places of its network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inventories.model import Environment
from twin.twin import Twin

TOP = Path(__file__).resolve().parents[2]
HOST = "edge2"
FILTER = """
for f in iptables ip6tables; do
  $f -F INPUT; $f -P INPUT DROP
  $f -A INPUT -i lo -j ACCEPT; $f -A INPUT -p tcp --dport 22 -j ACCEPT
  $f -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
done
ip6tables -A INPUT -p icmpv6 -j ACCEPT
"""
LISTEN = """systemd-run -q --unit=held python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 10004)); time.sleep(600)
'; for n in $(seq 50); do ss -Hlun | grep -q :10004 && exit 0; sleep 0.1; done; exit 1"""


@pytest.fixture(scope="module")
def walled(lab: Environment) -> Iterator[Twin]:
    """A twin of one host with a packet filter that admits SSH only."""
    one = lab.model_copy(update={"hosts": (lab.host(HOST),)})
    twin = Twin(one, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-rtp")
    twin.erase()
    try:
        twin.up()
        script = (
            "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install iptables >/dev/null"
        )
        assert twin.run(HOST, script, timeout=180).returncode == 0
        yield twin
    finally:
        twin.erase()


def admit(twin: Twin, *rules: str) -> None:
    """Put the host's packet filter into the state that admits SSH and these packets."""
    added = "\n".join(f"iptables -A INPUT {each}\nip6tables -A INPUT {each}" for each in rules)
    done = twin.run(HOST, f"set -e\n{FILTER}{added}")
    assert done.returncode == 0, done.stderr


def looked(twin: Twin, place: str, ports: str, *more: str, host: str = HOST) -> dict[str, Any]:
    """Run the command as a person does."""
    argv = [sys.executable, "-m", "invoke", "probe.rtp", host, ports, "--env", "lab", "--twin", twin.name,
            "--place", place, "--json", *more]  # fmt: skip
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_hole_of_101_ports_is_found_exactly(walled: Twin) -> None:
    admit(walled, "-p udp --dport 10000:10499 -j ACCEPT", "-p udp --dport 10601:12000 -j ACCEPT")
    seen = looked(walled, "stranger", "10000-12000")
    assert (seen["open"], seen["closed"]) == ("10000-10499,10601-12000", "10500-10600")
    assert (seen["held"], seen["one_way"], seen["unproven"]) == ("", "", "")
    assert seen["control"].startswith("udp ")


def test_a_range_of_two_thousand_open_ports_is_proven(walled: Twin) -> None:
    admit(walled, "-p udp --dport 10000:12000 -j ACCEPT")
    seen = looked(walled, "stranger", "10000-12000")
    assert (seen["open"], seen["closed"]) == ("10000-12000", "")


def test_rejected_ports_are_closed_as_dropped_ones_are(walled: Twin) -> None:
    admit(walled, "-p udp --dport 10050:10060 -j REJECT", "-p udp --dport 10000:10199 -j ACCEPT")
    assert looked(walled, "stranger", "10000-10199")["closed"] == "10050-10060"


def test_a_range_limited_to_the_controller_is_closed_to_a_stranger_and_open_to_it(walled: Twin) -> None:
    admit(walled)
    walled.run(HOST, "iptables -A INPUT -s 192.0.2.0/24 -p udp --dport 10000:10199 -j ACCEPT")
    assert looked(walled, "controller", "10000-10199")["open"] == "10000-10199"
    seen = looked(walled, "stranger", "10000-10199", "--control", "22")
    assert (seen["closed"], seen["control"]) == ("10000-10199", "tcp 22")


def test_answers_that_the_host_does_not_let_out_are_one_way(walled: Twin) -> None:
    admit(walled, "-p udp --dport 10000:10019 -j ACCEPT")
    walled.run(HOST, "iptables -A OUTPUT -p udp --sport 10006 -j DROP")
    try:
        seen = looked(walled, "stranger", "10000-10019")
    finally:
        walled.run(HOST, "iptables -F OUTPUT")
    assert (seen["one_way"], seen["closed"]) == ("10006", "")


def test_a_port_of_another_process_is_held_and_nothing_of_ours_stays(walled: Twin) -> None:
    admit(walled, "-p udp --dport 10000:10019 -j ACCEPT")
    assert walled.run(HOST, LISTEN).returncode == 0
    seen = looked(walled, "stranger", "10000-10019")
    walled.run(HOST, "systemctl stop held")
    assert (seen["open"], seen["held"]) == ("10000-10003,10006-10019", "10004-10005")
    left = "for n in $(seq 100); do ss -Hlun | grep -q ':100[01]' || exit 0; sleep 0.1; done; exit 1"
    assert walled.run(HOST, left).returncode == 0


JUDGE = """
import json, sys
from dataclasses import asdict
from inventories.model import Firewall, Opening, PortRange, load
from twin.enter import enter, enter_argv
from verify.observed import Observed
from verify.udp_openings import differences, udp_seen
from verify.vantage import Vantage
name, (lab, edge) = sys.argv[1], (load("lab"), load("lab").host("edge2"))
extra = (Opening(ports=PortRange(first=10000, last=10059), protocol="udp", why="sound"),
         Opening.port(53, "udp", "names"), Opening.port(5070, "udp", "the controller's", ("192.0.2.10/32",)))
host = edge.model_copy(update={"firewall": Firewall(extra=extra)})
environment = lab.model_copy(update={"hosts": (host,)})
stranger = Vantage("stranger", tuple(enter_argv(name, "stranger")))
enter(name, "controller")
observed = Observed(environment, name, {"controller": Vantage("controller"), "stranger": stranger})
try:
    seen = udp_seen(observed, host)
    found = {"differences": asdict(differences(host, environment, seen)), "seen": asdict(seen)}
    print(json.dumps(found, default=list))
finally:
    observed.close()
"""


def judged(twin: Twin) -> dict[str, Any]:
    """Look at declared UDP openings as the checks do, and return what differs."""
    argv = [sys.executable, "-c", JUDGE, twin.name]
    surroundings = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(
        argv, cwd=TOP, env=surroundings, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_declared_udp_openings_are_proven_from_every_place_and_what_differs_is_named(walled: Twin) -> None:
    install = (
        "DEBIAN_FRONTEND=noninteractive apt-get -qq install dnsmasq-base >/dev/null && dnsmasq --no-resolv"
    )
    assert walled.run(HOST, install, timeout=180).returncode == 0
    wide = ("-p udp --dport 10000:10059 -j ACCEPT", "-p udp --dport 53 -j ACCEPT")
    admit(walled, *wide)
    walled.run(HOST, "iptables -A INPUT -s 192.0.2.10 -p udp --dport 5070 -j ACCEPT")
    right = judged(walled)
    assert right["differences"] == {"wrong": [], "unproven": [], "left": [], "used": []}
    assert len(right["seen"]["answered"]) == 4  # both places, both families
    admit(walled, "-p udp --dport 10020:10029 -j DROP", *wide, "-p udp --dport 5070:5071 -j ACCEPT")
    wrong = judged(walled)["differences"]
    assert "udp 10020-10029 of 198.51.100.12 is closed to the stranger" in wrong["wrong"]
    assert "udp 5070-5071 of 198.51.100.12 is open to the stranger" in wrong["wrong"]
    assert "udp 5071 of 198.51.100.12 is open to the controller" in wrong["wrong"]
    assert "udp 10020-10029 of 2001:db8:100::12 is closed to the stranger" in wrong["wrong"]
