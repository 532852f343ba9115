"""Probes that are forked behave as programs of their own: what they print, and how they end."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from verify.children import end_all
from verify.station import Station
from verify.vantage import Unseen, Vantage, throw_away


@pytest.fixture(scope="module")
def station() -> Iterator[Station]:
    made = Station()
    yield made
    made.close()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_probe_is_given_its_arguments_and_what_it_saw_is_read(station: Station, silent: int) -> None:
    seen = Vantage("controller", station=station).probe("tcp", "127.0.0.1", "--ports", str(silent))
    assert [(each["port"], each["state"]) for each in seen["ports"]] == [(silent, "open")]


def test_many_at_once_are_told_apart(station: Station, silent: int) -> None:
    found: dict[int, list[int]] = {}
    place = Vantage("controller", station=station)

    def look(port: int) -> None:
        seen = place.probe("tcp", "127.0.0.1", "--ports", str(port))
        found[port] = [each["port"] for each in seen["ports"]]

    threads = [threading.Thread(target=look, args=(port,)) for port in range(silent, silent + 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {port: [port] for port in range(silent, silent + 8)}


def test_a_misuse_ends_with_its_own_code_and_words(station: Station) -> None:
    done = station.run("verify.probes.tcp", ["127.0.0.1", "--ports", "none"], timeout=20)
    assert done.returncode == 2
    assert b"'none' is not a port or a range" in done.stderr


def test_what_is_fed_to_stdin_arrives(station: Station) -> None:
    place = Vantage("controller", station=station)
    assert place.probe("http", "127.0.0.1", "--batch", input=b"[]")["replies"] == []
    with pytest.raises(Unseen):
        place.probe("http", "127.0.0.1", "--batch", input=b"no list")


@pytest.mark.parametrize("module", ["verify.probes.nothing", "verify.verdict"])
def test_what_is_no_probe_says_so(station: Station, module: str) -> None:
    done = station.run(module, [], timeout=20)
    assert done.returncode == 1
    assert b"Error: " in done.stderr


def test_one_that_takes_too_long_is_ended(station: Station, silent: int) -> None:
    words = ("127.0.0.1", "--port", str(silent), "--timeout", "60")
    began = time.monotonic()
    with pytest.raises(Unseen, match=r"verify\.probes\.ssh from controller took longer than 2 s"):
        Vantage("controller", station=station).probe("ssh", *words, timeout=2)
    assert time.monotonic() - began < 30


def test_an_interrupted_run_ends_what_it_has_forked(station: Station, silent: int) -> None:
    over = threading.Event()

    def interrupt() -> None:
        while not over.wait(0.5):
            end_all()

    thread = threading.Thread(target=interrupt)
    thread.start()
    words = ["127.0.0.1", "--port", str(silent), "--timeout", "60"]
    done = station.run("verify.probes.ssh", words, timeout=50)
    over.set()
    thread.join()
    assert done.returncode == -9


def test_where_the_forking_process_is_gone_nothing_is_taken_for_seen(silent: int) -> None:
    made = Station()
    made.close()
    with pytest.raises(Unseen, match=r"verify\.probes\.tcp cannot be started from controller: Bad file"):
        Vantage("controller", station=made).probe("tcp", "127.0.0.1", "--ports", str(silent))


def test_no_probe_is_left_a_zombie(station: Station) -> None:
    station.run("verify.probes.tcp", ["--help"], timeout=20)
    pid = station._process.pid
    time.sleep(0.2)
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "stat="], capture_output=True, text=True)
    assert "Z" not in listed.stdout
    assert os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(("version", "network"), [(4, "203.0.113.128/25"), (6, "2001:db8:ffff::/48")])
def test_no_two_looks_of_a_run_borrow_the_same_address(version: int, network: str) -> None:
    lent = [ip_address(throw_away(version)) for _ in range(120)]
    assert len(set(lent)) == 120
    assert all(address in ip_network(network) for address in lent)
