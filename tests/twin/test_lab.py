"""The lab's story, from bare hosts to proven ones, and a sample of its faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from one_lab import whole_lab
from sampled import proven, sample

from prove.row import Row
from prove.stage import Stage

FAULTS = 2
"""How many rows of that table."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A twin of the lab of this module's own, from nothing."""
    stage = Stage(f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-story", print)
    stage.erase()
    with whole_lab():
        yield stage
    stage.erase()


def test_bare_hosts_are_deployed_and_a_second_deploy_changes_nothing(stage: Stage) -> None:
    stage.healthy()
    assert not stage.planned()


def test_after_a_reboot_every_check_holds_and_after_the_twin_was_down_too_nothing_is_to_do(
    stage: Stage,
) -> None:
    stage.healthy()
    with ThreadPoolExecutor() as pool:
        list(pool.map(stage.twin.reboot, stage.hosts))
    stage.settle()
    assert not stage.planned()
    for host in stage.hosts:  # on a busy machine the first answers of two time servers may disagree
        stage.sh(host, "chronyc waitsync 15 0 0 10", timeout=180)
    stage.verify().holds()
    stage.twin.down()
    stage.twin.up()
    stage.settle()
    assert not stage.planned()


@pytest.mark.parametrize("row", sample("faults", FAULTS), ids=lambda row: row.id)
def test_a_fault_is_found_as_the_root_cause(row: Row, stage: Stage) -> None:
    proven(row, stage)
