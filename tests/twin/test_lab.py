"""The lab's story, from bare hosts to proven ones, and a sample of what `invoke prove` runs whole.

Which rows are sampled depends on the commit: over time every one has its turn.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

import pytest
from one_lab import whole_lab

from prove import ledger, release
from prove.proving import put
from prove.row import Row
from prove.stage import Stage
from prove.tables import PAIR, TABLES

FAULTS = 4
"""How many rows of that table; of lockouts and kills it is one each."""


def sample(table: str, number: int) -> Sequence[Row]:
    """Choose rows of a table by the commit, of those that were proven once: what was must stay so."""
    chance = random.Random(f"{table} {ledger.subject().commit.rstrip('+')}")
    kept = ledger.read(table)
    once = [row for row in TABLES[table] if row.name in kept and kept[row.name].verdict == "proven"]
    return chance.sample(once, number)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A twin of the lab of this module's own, from nothing."""
    stage = Stage(f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-story", print)
    stage.erase()
    with whole_lab():
        yield stage
    stage.erase()


@pytest.fixture(scope="module")
def small() -> Iterator[Stage]:
    """A twin of the lab's two plain hosts, for rows about the engine."""
    stage = Stage(f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-small", print, PAIR)
    stage.erase()
    yield stage
    stage.erase()


def test_bare_hosts_are_deployed_and_a_second_deploy_changes_nothing(stage: Stage) -> None:
    stage.healthy()
    assert not stage.planned()
    print(f"first deploy {stage.seconds_of_a_deploy(first=True):.0f} s", end=", ")
    print(f"second {stage.seconds_of_a_deploy(first=False):.0f} s")


def test_every_check_holds_the_disruptive_ones_too(stage: Stage) -> None:
    bad = {check: verdict for check, verdict in stage.baseline().roots().items() if verdict == "fail"}
    assert not bad


def test_after_a_reboot_of_every_host_nothing_is_to_do_and_every_check_holds(stage: Stage) -> None:
    stage.healthy()
    for host in stage.hosts:
        stage.twin.reboot(host)
    assert not stage.planned()
    for host in stage.hosts:  # on a busy machine the first answers of two time servers may disagree
        stage.sh(host, "chronyc waitsync 15 0 0 10", timeout=180)
    stage.verify().ended.expect(0)


def test_after_the_twin_was_down_nothing_is_to_do(stage: Stage) -> None:
    stage.healthy()
    stage.twin.down()
    stage.twin.up()
    assert not stage.planned()


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


def test_ssh_moves_to_another_port_without_a_moment_in_which_both_are_shut(stage: Stage) -> None:
    stage.healthy()
    where = str(stage.environment.host(release.HOST).address.ip)
    with stage.copy([release.values(ssh={"port": 2222})]) as top:
        watch = stage.twin.spawn(
            "controller", [sys.executable, "-c", KNOCK, where], stdout=subprocess.PIPE, text=True
        )
        try:
            stage.deploy("--limit", release.HOST, top=top).expect(0)
        finally:
            watch.terminate()
            seen = [line.split() for line in watch.communicate(timeout=10)[0].splitlines()]
        moments = [" ".join(moment) for moment, _ in groupby(seen)]
        assert moments == ["open shut", "open open", "shut open"]
        assert not [step for step in stage.planned(top=top) if step.startswith(release.HOST)]


def test_a_setting_that_is_no_longer_declared_returns_to_what_stood_before(stage: Stage) -> None:
    stage.healthy()
    key = "net.ipv4.tcp_keepalive_time"
    assert stage.sh(release.HOST, f"sysctl -n {key}") == "600\n"
    with stage.copy([release.values(sysctl={"settings": {}})]) as top:
        stage.deploy("--limit", release.HOST, top=top).expect(0)
        assert stage.sh(release.HOST, f"sysctl -n {key}") == "7200\n"
        assert not [step for step in stage.planned(top=top) if step.startswith(release.HOST)]


def proven(row: Row, stage: Stage) -> None:
    result = put(row, stage, ledger.subject())
    assert result.verdict == "proven", result.seen


@pytest.mark.parametrize("row", sample("lockouts", 1), ids=lambda row: row.id)
def test_a_host_that_locked_us_out_returns(row: Row, small: Stage) -> None:
    proven(row, small)


@pytest.mark.parametrize("row", sample("kills", 1), ids=lambda row: row.id)
def test_a_deploy_that_broke_off_is_ended_by_the_next(row: Row, small: Stage) -> None:
    proven(row, small)


@pytest.mark.parametrize("row", sample("faults", FAULTS), ids=lambda row: row.id)
def test_a_fault_is_found_as_the_root_cause(row: Row, stage: Stage) -> None:
    proven(row, stage)


@pytest.mark.parametrize("row", TABLES["errors"], ids=lambda row: row.id)
def test_an_error_is_one_sentence_with_what_to_do(row: Row, small: Stage) -> None:
    proven(row, small)
