"""The lab's two plain hosts: what moves, what goes, what breaks off, what is refused, and who is shut out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby

import pytest
from sampled import proven, sample

from prove import release
from prove.row import Row
from prove.stage import Stage

ERRORS = 4
"""How many rows of that table."""


@pytest.fixture(scope="module")
def small() -> Iterator[Stage]:
    """A twin of the lab's two plain hosts, for rows about the engine."""
    stage = Stage(f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-small", print, release.PAIR)
    stage.erase()
    yield stage
    stage.erase()


def test_every_check_holds_the_disruptive_ones_too(small: Stage) -> None:
    small.healthy()
    small.verify("--disruptive").holds()


KNOCK = """
import socket, sys, time
end = time.monotonic() + 600
while time.monotonic() < end:
    said = []
    for port in (22, 2222):
        state = "shut"
        for _ in range(4):
            try:
                socket.create_connection((sys.argv[1], port), timeout=1.5).close()
                state = "open"
                break
            except ConnectionRefusedError:
                time.sleep(0.2)
            except OSError:
                break
        said.append(state)
    print(*said, flush=True)
    time.sleep(0.05)
"""
"""A lost SYN is sent again after a second, a refused one here: shut is shut for a while."""


def test_ssh_moves_to_another_port_without_a_moment_in_which_both_are_shut(small: Stage) -> None:
    small.healthy()
    where = str(small.environment.host(release.HOST).address.ip)
    with small.copy([release.values(ssh={"port": 2222})]) as top:
        watch = small.twin.spawn(
            "controller", [sys.executable, "-c", KNOCK, where], stdout=subprocess.PIPE, text=True
        )
        try:
            small.deploy("--limit", release.HOST, top=top).expect(0)
        finally:
            watch.terminate()
            seen = [line.split() for line in watch.communicate(timeout=10)[0].splitlines()]
        moments = [" ".join(moment) for moment, _ in groupby(seen)]
        assert moments == ["open shut", "open open", "shut open"]
        assert not [step for step in small.planned(top=top) if step.startswith(release.HOST)]


def test_a_setting_that_is_no_longer_declared_returns_to_what_stood_before(small: Stage) -> None:
    small.healthy()
    key = "net.ipv4.tcp_keepalive_time"
    assert small.sh(release.HOST, f"sysctl -n {key}") == "600\n"
    with small.copy([release.values(sysctl={"settings": {}})]) as top:
        small.deploy("--limit", release.HOST, top=top).expect(0)
        assert small.sh(release.HOST, f"sysctl -n {key}") == "7200\n"
        assert not [step for step in small.planned(top=top) if step.startswith(release.HOST)]


@pytest.mark.parametrize("row", sample("lockouts", 1), ids=lambda row: row.id)
def test_a_host_that_locked_us_out_returns(row: Row, small: Stage) -> None:
    proven(row, small)


@pytest.mark.parametrize("row", sample("kills", 1), ids=lambda row: row.id)
def test_a_deploy_that_broke_off_is_ended_by_the_next(row: Row, small: Stage) -> None:
    proven(row, small)


@pytest.mark.parametrize("row", sample("errors", ERRORS), ids=lambda row: row.id)
def test_an_error_is_one_sentence_with_what_to_do(row: Row, small: Stage) -> None:
    proven(row, small)
