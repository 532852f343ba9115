"""When a deploy is broken off: spread over all of it, never after its end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from prove.kills import BREAKS, FRACTIONS, MOMENTS, TRIES, Missed, killed_at, tried
from prove.process import started
from prove.row import Disproved, Evidence

STAGE: Any = None
"""Killing a controller takes nothing of the stage."""


def running(tmp_path: Path, script: str) -> Popen[str]:
    """A program that runs as a deploy does."""
    return started([sys.executable, "-u", "-c", script], tmp_path, os.environ)


def test_half_of_the_moments_are_of_either_kind_and_spread_over_all_of_it() -> None:
    controllers = [each for each in BREAKS if each.name.startswith("controller-")]
    assert len(controllers) == len(FRACTIONS) == MOMENTS
    for first in (True, False):
        own = [part for part, each in zip(FRACTIONS, controllers, strict=True) if each.first is first]
        gaps = [after - before for before, after in zip([0.0, *own], [*own, 1.0], strict=True)]
        assert len(own) == MOMENTS // 2
        assert max(gaps) < 0.15


def test_a_deploy_that_runs_is_killed_at_its_moment_and_what_it_did_is_kept(tmp_path: Path) -> None:
    deploy = running(tmp_path, "import time; print('edge1  ssh: files'); time.sleep(60)")
    seen = killed_at(0.5, alone=False)(STAGE, deploy, 4.0)
    assert deploy.returncode == -9
    assert seen == {
        "killed_after": 2.0, "of_seconds": 4.0, "said_last": "edge1  ssh: files", "engine_killed_too": True,
    }  # fmt: skip


def test_a_deploy_that_is_over_before_was_not_killed(tmp_path: Path) -> None:
    with pytest.raises(Missed, match="nothing was killed") as caught:
        killed_at(0.9, alone=False)(STAGE, running(tmp_path, "pass"), 10.0)
    assert caught.value.seconds < 9.0


def test_a_deploy_that_fails_by_itself_is_no_matter_of_the_moment(tmp_path: Path) -> None:
    with pytest.raises(Disproved, match="ended by itself with 7") as caught:
        killed_at(0.9, alone=False)(STAGE, running(tmp_path, "raise SystemExit(7)"), 10.0)
    assert not isinstance(caught.value, Missed)


def test_what_missed_its_moment_is_tried_again_earlier_and_disproved_in_the_end() -> None:
    asked: list[float] = []

    def attempt(seconds: float) -> Evidence:
        asked.append(seconds)
        if len(asked) < hits_at:
            raise Missed(seconds, seconds - 1)
        return {"killed_after": seconds}

    hits_at = TRIES
    assert tried(attempt, 10.0) == {"killed_after": 8.0}
    assert asked == [10.0, 9.0, 8.0]
    asked, hits_at = [], TRIES + 1
    with pytest.raises(Missed):
        tried(attempt, 10.0)
    assert len(asked) == TRIES
