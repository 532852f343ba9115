"""The lab's dialer: what it asks by SIP, what it tells, and what its health is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inventories.model import Build, load
from twin.images.dialer import dialer
from verify.probes.sip_message import Request, parse

TOP = Path(__file__).resolve().parent.parent
LAB = load("lab")


def test_it_runs_in_the_network_of_a_host_with_a_tunnel_to_the_pbx_that_it_asks() -> None:
    host = LAB.host("vpn1")
    assert host.compose
    assert host.strongswan
    assert host.strongswan.address
    container = host.compose.target("dialer/dialer")
    assert isinstance(container.image, Build)
    assert (TOP / container.image.context / "dialer.py").samefile(dialer.__file__)
    assert container.host_network
    (peer,) = host.strongswan.peers
    asked = {"PBX": str(peer.answers), "SOURCE": str(host.strongswan.address.ip)}
    assert container.environment == asked
    assert peer.sip


def test_its_question_is_whole_sip() -> None:
    request = parse(dialer.question("192.168.150.10", "10.10.10.1", 40000))
    assert isinstance(request, Request)
    assert (request.method, request.uri) == ("OPTIONS", "sip:192.168.150.10")
    assert (request.vias[0].host, request.vias[0].port) == ("10.10.10.1", 40000)


def test_it_tells_the_first_line_that_it_hears() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
        pbx.bind(("127.0.0.1", 0))
        pbx.settimeout(10)

        def answer() -> None:
            _, source = pbx.recvfrom(65535)
            pbx.sendto(b"SIP/2.0 200 OK\r\n\r\n", source)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert dialer.heard("127.0.0.1", "127.0.0.1", pbx.getsockname()[1], 5) == "SIP/2.0 200 OK"
        thread.join(10)
        assert dialer.heard("127.0.0.1", "127.0.0.1", pbx.getsockname()[1], 0.1) == "nothing within 0.1 s"
        port = pbx.getsockname()[1]
    assert dialer.heard("127.0.0.1", "127.0.0.1", port) == "nothing: Connection refused"


def test_an_address_that_is_not_there_ends_no_turn() -> None:
    assert dialer.heard("127.0.0.1", "192.0.2.77") == "nothing: Cannot assign requested address"


def test_its_socket_is_no_listener() -> None:
    """A bound socket that is not connected would count as a port that nobody declared."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
        pbx.bind(("127.0.0.1", 0))
        asking = threading.Thread(
            target=dialer.heard, args=("127.0.0.1", "127.0.0.1", pbx.getsockname()[1], 1.0), daemon=True
        )
        asking.start()
        pbx.settimeout(10)
        _, (_, port) = pbx.recvfrom(65535)
        listening = subprocess.run(["ss", "-Hlnu"], capture_output=True, text=True, check=True).stdout
        asking.join(10)
    assert f":{port} " not in listening


def test_its_health_is_the_age_of_its_last_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dialer, "TICK", tmp_path / "tick")
    assert dialer.main(["health"]) == 1
    dialer.TICK.touch()
    assert dialer.main(["health"]) == 0
    old = time.time() - dialer.OLD - 2
    os.utime(dialer.TICK, (old, old))
    assert dialer.main(["health"]) == 1
    assert capsys.readouterr().out.splitlines()[1] == "the last turn began 0 s ago"


def test_it_is_a_program_that_needs_nothing_but_python() -> None:
    program = [sys.executable, "-I", "-S", str(dialer.__file__), "health"]
    assert (
        "the last turn began" in subprocess.run(program, capture_output=True, text=True, check=False).stdout
    )
