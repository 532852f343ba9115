"""The firewall's loader on a real host: never open, never shut, and as UFW itself does it at boot."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from deploys import firewall
from deploys._ops.managed import ManagedFile
from inventories.model import Environment
from twin.twin import Twin

TWIN = "pair"

HOST = "edge2"
CLOSED, OPEN = 9999, 22
LOADER = firewall.LOADER
PROBE = """
import json, socket, sys, time

address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
print("ready", flush=True)
answered = refused = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    try:
        socket.create_connection((address, port), timeout=1.5 if port == 22 else 0.02).close()
        answered += 1
    except OSError:
        refused += 1
print(json.dumps({"answered": answered, "refused": refused}))
"""
"""A lost SYN is sent again after a second: an open port that refuses has been shut for longer than that."""


def run(twin: Twin, script: str) -> str:
    result = twin.run(HOST, script, timeout=180)
    assert result.returncode == 0, result.stderr
    return result.stdout


def put(twin: Twin, file: ManagedFile) -> None:
    twin.write(HOST, file.path, file.content.encode(), int(file.mode, 8))


@pytest.fixture(scope="module")
def walled(twin: Twin, lab: Environment) -> Twin:
    """The twin with UFW's files on one host, loaded, and a listener behind them on a closed port."""
    twin.restore("bare")
    run(twin, "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install ufw >/dev/null")
    host = lab.host(HOST)
    for file in (*firewall.files(host, lab), firewall.loader()):
        put(twin, file)
    run(twin, f"mkdir -p /var/lib/trunkline && {LOADER} test && {LOADER} load")
    run(twin, f"systemd-run -q --unit=listener python3 -m http.server {CLOSED}")
    return twin


def watched(twin: Twin, lab: Environment, node: str, port: int, script: str) -> dict[str, int]:
    """Connect to a port again and again while a script runs on the host; count what came of it."""
    address = str(lab.host(HOST).address.ip)
    argv = [sys.executable, "-c", PROBE, address, str(port), "6"]
    probe = twin.spawn(node, argv, stdout=subprocess.PIPE, text=True)
    assert probe.stdout is not None
    assert probe.stdout.readline() == "ready\n"
    run(twin, script)
    counted: dict[str, int] = json.loads(probe.communicate(timeout=30)[0])
    return counted


def test_what_is_loaded_is_what_ufw_loads_at_boot(walled: Twin) -> None:
    loaded = run(walled, "iptables -S | sort; ip6tables -S | sort")
    run(walled, "/lib/ufw/ufw-init force-stop && iptables -F && ip6tables -F && iptables -X && ip6tables -X")
    assert json.loads(run(walled, f"{LOADER} check")) == {"loaded": False}
    run(walled, "/lib/ufw/ufw-init start")
    assert run(walled, "iptables -S | sort; ip6tables -S | sort") == loaded
    assert json.loads(run(walled, f"{LOADER} check")) == {"loaded": True}


def test_loading_opens_no_closed_port(walled: Twin, lab: Environment) -> None:
    seen = watched(walled, lab, "controller", CLOSED, f"for i in $(seq 10); do {LOADER} load; done")
    assert seen["answered"] == 0
    assert seen["refused"] > 50


def test_the_same_probe_sees_the_gap_that_ufws_own_reload_leaves(walled: Twin, lab: Environment) -> None:
    seen = watched(walled, lab, "controller", CLOSED, "for i in 1 2 3; do ufw reload; done")
    assert seen["answered"] > 0


def test_loading_shuts_no_open_port(walled: Twin, lab: Environment) -> None:
    seen = watched(walled, lab, "controller", OPEN, f"for i in $(seq 10); do {LOADER} load; done")
    assert seen["refused"] == 0
    assert seen["answered"] > 50


def test_a_rule_taken_out_of_the_kernel_is_noticed_and_loaded_again(walled: Twin) -> None:
    run(walled, "iptables -D ufw-user-input 1")
    assert json.loads(run(walled, f"{LOADER} check")) == {"loaded": False}
    run(walled, f"{LOADER} load")
    assert json.loads(run(walled, f"{LOADER} check")) == {"loaded": True}


def test_files_that_do_not_parse_leave_the_kernel_as_it_was(walled: Twin) -> None:
    before = run(walled, "iptables -S")
    broken = r"s/^COMMIT/-A nosuch -j ACCEPT\nCOMMIT/"
    run(walled, f"cp /etc/ufw/user.rules /root/ && sed -i '{broken}' /etc/ufw/user.rules")
    assert walled.run(HOST, f"{LOADER} load").returncode != 0
    run(walled, "mv /root/user.rules /etc/ufw/user.rules")
    assert run(walled, "iptables -S") == before


def test_chains_of_others_are_left_alone(walled: Twin) -> None:
    run(walled, "iptables -N other && iptables -A other -j RETURN && iptables -I INPUT -j other")
    run(walled, f"{LOADER} load")
    assert "-A INPUT -j other" in run(walled, "iptables -S INPUT").splitlines()[1]
