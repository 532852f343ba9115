"""The TCP probes tell open, closed and silent ports apart, alone and all at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from verify.probes import segment
from verify.probes.arguments import ports, ranges
from verify.probes.ping import ping
from verify.probes.sweep import sweep
from verify.probes.tcp import tcp_ports

TOP = Path(__file__).resolve().parent.parent
FAMILIES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@pytest.fixture(params=FAMILIES, ids=["v4", "v6"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A real server that greets whoever connects."""
    family, address = request.param
    with socket.create_server((address, 0), family=family, backlog=16) as sock:
        yield address, sock.getsockname()[1]


def test_a_listening_port_is_open_and_its_neighbour_is_closed(server: tuple[str, int]) -> None:
    address, port = server
    free = _free_port(address)
    seen = tcp_ports(address, [port, free])
    assert (seen[port].state, seen[free].state) == ("open", "closed")


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as sock:
        return int(sock.getsockname()[1])


def test_a_port_that_does_not_answer_is_filtered() -> None:
    """A full backlog drops further SYNs, as a firewall does: nothing comes back."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as sock:
        port = sock.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for each in filling:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        seen = tcp_ports("127.0.0.1", [port], timeout=0.3, tries=1)
        for each in filling:
            each.close()
    assert (seen[port].state, seen[port].reason) == ("filtered", "no answer")


def test_more_ports_than_open_files_are_looked_at() -> None:
    assert {p.state for p in tcp_ports("127.0.0.1", range(1, 1500)).values()} <= {"open", "closed"}


def test_the_sweep_finds_every_open_port_of_all(server: tuple[str, int]) -> None:
    address, port = server
    numbers = range(max(1, port - 3000), min(65535, port + 3000))
    seen = sweep(address, numbers, control=port, timeout=0.4)
    assert port in seen.open
    assert seen.control == "seen"
    assert len(seen.open) + len(ports(seen.closed)) + seen.filtered == len(numbers)


def test_a_blind_sweep_says_that_its_control_is_silent() -> None:
    port = _free_port("127.0.0.1")
    assert sweep("127.0.0.1", range(1, 50), control=port, timeout=0.2).control == "silent"


def test_the_syn_is_what_scapy_reads_as_a_syn_with_a_right_checksum() -> None:
    data = segment.Syns("192.0.2.1", "198.51.100.7", 40000, 7).to(443)
    packet = IP(src="192.0.2.1", dst="198.51.100.7") / TCP(data)
    assert (packet[TCP].dport, packet[TCP].sport, str(packet[TCP].flags)) == (443, 40000, "S")
    held = packet[TCP].chksum
    del packet[TCP].chksum
    assert IP(bytes(packet))[TCP].chksum == held


@pytest.mark.parametrize(("flags", "state"), [("SA", "open"), ("R", "closed"), ("RA", "closed"), ("A", None)])
def test_an_answer_is_read_by_its_flags(flags: str, state: str | None) -> None:
    data = bytes(TCP(sport=443, dport=40000, flags=flags))
    assert segment.answer(data, 40000) == ((443, state) if state else None)


def test_an_answer_to_somebody_else_is_nobodys() -> None:
    assert segment.answer(bytes(TCP(sport=443, dport=40001, flags="SA")), 40000) is None


@given(st.binary(max_size=64))
def test_no_bytes_break_the_reader_of_answers(data: bytes) -> None:
    segment.answer(data, 40000)


@given(st.sets(st.integers(1, 65535), min_size=1, max_size=60))
def test_ports_survive_being_written_as_ranges(numbers: set[int]) -> None:
    assert set(ports(ranges(numbers))) == numbers


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_answers_a_ping(address: str) -> None:
    seconds = ping(address)
    assert seconds is not None
    assert seconds < 1


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a probe alone, as a person would."""
    argv = [sys.executable, "-m", f"verify.probes.{module}", *arguments]
    return subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=30)


def test_the_probe_alone_prints_json(server: tuple[str, int]) -> None:
    address, port = server
    done = run("tcp", address, "--ports", str(port), "--json")
    assert json.loads(done.stdout)["ports"][0]["state"] == "open"


@pytest.mark.parametrize("module", ["tcp", "sweep", "ssh", "ping"])
def test_a_probe_has_help_and_no_traceback_for_a_wrong_host(module: str) -> None:
    assert "HOST" in run(module, "--help").stdout
    done = run(module, "no.such.name.invalid", *(["--ports", "22"] if module == "tcp" else []))
    assert done.returncode == 1
    assert done.stderr.startswith("no.such.name.invalid")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", ["0", "65536", "20-10", "x", "1-2-3"])
def test_wrong_ports_are_refused_with_a_sentence(wrong: str) -> None:
    done = run("tcp", "127.0.0.1", "--ports", wrong)
    assert done.returncode == 2
    assert repr(wrong) in done.stderr
