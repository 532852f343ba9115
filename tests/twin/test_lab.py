"""The lab's story, from bare hosts to proven ones, and a sample of what `invoke prove` runs whole.

Which rows are sampled depends on the commit: over time every one has its turn.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence

import pytest

from prove import ledger
from prove.proving import put
from prove.row import Row
from prove.stage import Stage
from prove.tables import TABLES

FAULTS = 8
"""How many rows of that table; of lockouts and kills it is one each."""
COLD_SECONDS = 240
NO_OP_SECONDS = 15


def sample(table: str, number: int) -> Sequence[Row]:
    """Choose rows of a table by the commit."""
    chance = random.Random(f"{table} {ledger.subject().commit.rstrip('+')}")
    return chance.sample(TABLES[table], number)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A twin of the lab of this module's own, from nothing."""
    stage = Stage(f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-story", print)
    stage.erase()
    yield stage
    stage.erase()


def test_bare_hosts_are_deployed_and_a_second_deploy_changes_nothing(stage: Stage) -> None:
    stage.healthy()
    assert not stage.planned()
    assert stage.seconds_of_a_deploy(first=True) < COLD_SECONDS
    assert stage.seconds_of_a_deploy(first=False) < NO_OP_SECONDS


def test_every_check_holds_the_disruptive_ones_too(stage: Stage) -> None:
    bad = {check: verdict for check, verdict in stage.baseline().roots().items() if verdict == "fail"}
    assert not bad


def test_after_a_reboot_of_every_host_nothing_is_to_do_and_every_check_holds(stage: Stage) -> None:
    stage.healthy()
    for host in stage.hosts:
        stage.twin.reboot(host)
    assert not stage.planned()
    stage.verify().ended.expect(0)


def test_after_the_twin_was_down_nothing_is_to_do(stage: Stage) -> None:
    stage.healthy()
    stage.twin.down()
    stage.twin.up()
    assert not stage.planned()


def proven(row: Row, stage: Stage) -> None:
    result = put(row, stage, ledger.subject())
    assert result.verdict == "proven", result.seen


@pytest.mark.parametrize("row", sample("lockouts", 1), ids=lambda row: row.id)
def test_a_host_that_locked_us_out_returns(row: Row, stage: Stage) -> None:
    proven(row, stage)


@pytest.mark.parametrize("row", sample("kills", 1), ids=lambda row: row.id)
def test_a_deploy_that_broke_off_is_ended_by_the_next(row: Row, stage: Stage) -> None:
    proven(row, stage)


@pytest.mark.parametrize("row", sample("faults", FAULTS), ids=lambda row: row.id)
def test_a_fault_is_found_as_the_root_cause(row: Row, stage: Stage) -> None:
    proven(row, stage)


@pytest.mark.parametrize("row", TABLES["errors"], ids=lambda row: row.id)
def test_an_error_is_one_sentence_with_what_to_do(row: Row, stage: Stage) -> None:
    proven(row, stage)
