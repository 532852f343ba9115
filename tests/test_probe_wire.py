"""What is captured is really captured, on the machine's loopback; odd packets are read without harm."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from verify.probes.frame import read
from verify.probes.ping import echo
from verify.probes.syn import begun, first_segment, maximum_segment
from verify.probes.wire import sort, watch

T = TypeVar("T")
FAR = (IPv4Network("192.168.150.0/24"),)
HOST = "198.51.100.31"


def meanwhile(look: Callable[[], T], do: Callable[[], object]) -> T:
    """Do something over and over while looking."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(look()))
    thread.start()
    while thread.is_alive():
        do()
    return found[0]


def test_a_connection_is_seen_where_it_begins() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen: who connects is refused at once
        port = bound.getsockname()[1]
        (seen, *_) = meanwhile(
            lambda: begun("127.0.0.1", port, seconds=10),
            lambda: socket.socket().connect_ex(("127.0.0.1", port)),
        )
    assert (seen.source, seen.port) == ("127.0.0.1", port)
    assert seen.mss
    assert seen.mss > 536


def test_nobody_is_seen_where_nobody_connects() -> None:
    assert begun("127.0.0.1", 9, seconds=0.2) == []


def test_a_wire_is_not_clean_when_far_networks_are_named_on_it() -> None:
    seen = meanwhile(
        lambda: watch("127.0.0.1", [IPv4Network("127.0.0.0/8")], interface="lo", seconds=1),
        lambda: echo("127.0.0.1", timeout=0.2, tries=1),
    )
    assert seen.clear > 0
    assert any("icmp 127.0.0.1 > 127.0.0.1" in each for each in seen.examples)


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (IP(src="10.10.10.1", dst="192.168.150.10") / ICMP(), "clear"),
        (IP(src="192.168.150.10", dst=HOST) / TCP(), "clear"),
        (IP(src=HOST, dst="203.0.113.20") / UDP(sport=4500, dport=4500), "protected"),
        (IP(src="203.0.113.20", dst=HOST) / UDP(sport=1024, dport=4500), "protected"),
        (IP(src=HOST, dst="203.0.113.20", proto=50) / Raw(bytes(40)), "protected"),
        (IP(src="203.0.113.1", dst="203.0.113.20") / UDP(sport=4500, dport=4500), "other"),
        (IP(src=HOST, dst="203.0.113.20") / UDP(sport=500, dport=500), "other"),
    ],
)
def test_packets_are_sorted(packet: IP, kind: str) -> None:
    frame = read("eth0", bytes(packet))
    assert frame
    assert sort(frame, HOST, FAR) == kind


@pytest.mark.parametrize("mss", [536, 1360, 1460])
def test_a_segment_tells_its_mss(mss: int) -> None:
    packet = IP() / TCP(dport=5060, flags="S", options=[("SAckOK", b""), ("NOP", None), ("MSS", mss)])
    frame = read("eth0", bytes(packet))
    assert frame
    assert (seen := first_segment(frame, 5060))
    assert seen.mss == mss
    assert first_segment(frame, 5061) is None


def test_an_answer_to_a_connection_is_not_its_beginning() -> None:
    frame = read("eth0", bytes(IP() / TCP(sport=80, dport=5060, flags="SA")))
    assert frame
    assert first_segment(frame, 5060) is None


@given(st.binary(max_size=80))
def test_odd_bytes_do_no_harm(data: bytes) -> None:
    maximum_segment(data)
    if frame := read("eth0", data):
        sort(frame, HOST, FAR)
        first_segment(frame, 5060)


def test_a_packet_that_is_too_large_says_what_would_fit() -> None:
    assert echo("127.0.0.1", size=1400, whole=True).seconds is not None
    seen = echo("127.0.0.1", size=65530 + 7, whole=True, tries=1)
    assert seen.seconds is None
