"""The range probe finds exactly the ports that can be reached, through a network that loses and filters."""

from __future__ import annotations

import json
import random
import resource
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.udp_relay import Fate, Relay
from verify.probes.arguments import ports as ports_in
from verify.probes.rtp import UdpRange, udp_ranges

TOP = Path(__file__).resolve().parent.parent
HERE = ("env", "PATH=/usr/bin:/bin", "sh", "-c")
"""Runs a shell command with Debian's own Python, which nobody may read as well."""
NAT, INNER = "127.0.0.9", "127.0.0.1"
KEY = bytes(16)


def looked(numbers: Iterable[int], address: str = INNER, **how: Any) -> UdpRange:
    """Look at ports of loopback from one place."""
    host = how.pop("host", HERE)
    (seen,) = udp_ranges([address], tuple(numbers), host, {"here": ()}, **how)
    return seen


def through(fate: Fate, numbers: Iterable[int], **how: Any) -> UdpRange:
    """Look at the ports behind a relay."""
    with Relay(NAT, INNER, numbers, fate):
        return looked(numbers, NAT, inner={NAT: INNER}, **how)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_range_of_two_thousand_ports_is_proven_in_less_than_two_seconds_of_work(address: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen = looked(range(10000, 12001), address)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (seen.open, seen.closed, seen.unproven, seen.slices) == ("10000-12000", "", "", 4)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_both_families_are_looked_at_in_one_go() -> None:
    seen = udp_ranges(["127.0.0.1", "::1"], range(21000, 21040), HERE, {"here": (), "there": ()})
    assert [(each.address, each.place, each.open) for each in seen] == [
        ("127.0.0.1", "here", "21000-21039"), ("127.0.0.1", "there", "21000-21039"),
        ("::1", "here", "21000-21039"), ("::1", "there", "21000-21039"),
    ]  # fmt: skip


HOLE = range(21250, 21351)
AROUND = range(21200, 21400)


def test_a_hole_is_named_exactly_although_a_third_of_all_packets_is_lost() -> None:
    lossy = random.Random(5)

    def fate(direction: str, port: int, data: bytes) -> tuple[float, ...]:
        gone = port in HOLE or lossy.random() < 0.18
        return () if gone else (0.0,)

    seen = through(fate, AROUND)
    assert (seen.open, seen.closed, seen.unproven) == ("21200-21249,21351-21399", "21250-21350", "")
    assert 0.1 < seen.loss < 0.6


def test_a_question_that_arrives_and_an_answer_that_does_not_are_one_way() -> None:
    def fate(direction: str, port: int, data: bytes) -> tuple[float, ...]:
        return () if (direction, port) == ("out", 21206) else (0.0,)

    seen = through(fate, range(21200, 21220))
    assert (seen.one_way, seen.closed) == ("21206", "")


def test_where_nothing_answers_nothing_is_called_closed() -> None:
    seen = through(lambda *_: (), range(21200, 21208), timeout=0.1)
    assert (seen.open, seen.closed, seen.unproven, seen.control) == ("", "", "21200-21207", "")
    assert "no control" in seen.why


def test_where_tcp_answers_and_no_udp_port_does_they_are_closed() -> None:
    with socket.create_server((NAT, 0)) as server:
        port = server.getsockname()[1]
        seen = through(lambda *_: (), range(21200, 21208), timeout=0.1, tcp={"here": port})
    assert (seen.closed, seen.control) == ("21200-21207", f"tcp {port}")


def test_a_network_that_loses_nearly_all_proves_nothing_closed() -> None:
    lossy = random.Random(7)

    passed: list[bytes] = []

    def fate(direction: str, port: int, data: bytes) -> tuple[float, ...]:
        if port == 21200 and len(passed) < 2:
            passed.append(data)
            return (0.0,)
        return (0.0,) if lossy.random() < 0.03 else ()

    seen = through(fate, (21200, 21202, 21203), timeout=0.1)
    assert seen.closed == ""
    assert "the control lost" in seen.why


def test_a_port_of_somebody_else_is_held_and_its_pair_is_left_to_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as call:
        call.bind(("0.0.0.0", 21204))
        seen = looked(range(21200, 21210))
    assert (seen.open, seen.held) == ("21200-21203,21206-21209", "21204-21205")


def test_where_calls_use_nearly_all_ports_the_rest_is_left_to_them() -> None:
    calls = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(37)]
    for port, sock in zip(range(21200, 21240), calls, strict=False):
        sock.bind(("0.0.0.0", port))
    seen = looked(range(21200, 21240))
    for sock in calls:
        sock.close()
    assert (seen.open, seen.unproven) == ("", "21200-21239")
    assert "left to the calls" in seen.why


@pytest.mark.parametrize(
    "limit",
    [("prlimit", "--nofile=64"), ("prlimit", "--nofile=64:64"),
     ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "prlimit", "--nofile=90:90")],
)  # fmt: skip
def test_a_low_limit_of_open_files_is_raised_or_makes_smaller_slices(limit: tuple[str, ...]) -> None:
    seen = looked(range(21200, 21500), host=(*limit, *HERE))
    assert seen.open == "21200-21499"
    assert seen.slices >= (6 if limit[0] == "setpriv" else 4)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the probe alone, as a person would."""
    argv = [sys.executable, "-m", "verify.probes.rtp", *arguments]
    return subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=60)


def test_the_probe_alone_prints_lines_or_json() -> None:
    through = ("--through", "env PATH=/usr/bin:/bin sh -c")
    assert "open: 21200-21209" in run(INNER, "--ports", "21200-21209", *through).stdout
    found = json.loads(run(INNER, "--ports", "21200-21209", *through, "--json").stdout)
    assert set(ports_in(found["open"])) == set(range(21200, 21210))


def test_without_a_way_to_the_host_it_says_what_to_name() -> None:
    done = run(INNER, "--ports", "21200")
    assert done.returncode == 1
    assert "--ssh root@127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("192.0.2.1", "--ports", "21200", "--through", "env PATH=/usr/bin:/bin sh -c"), "cannot be bound"),
        ((INNER, "--ports", "21200", "--through", "/bin/false"), "the responder ended"),
        (("no.such.name.invalid", "--ports", "21200", "--through", "sh -c"), "no.such.name.invalid"),
    ],
)
def test_what_hinders_it_is_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
