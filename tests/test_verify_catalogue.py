"""Every check can fail, says what to do, and needs only checks that exist."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from verify.checks import Check, catalogue, in_order
from verify.looks import LOOKS
from verify.on_host.all_sections import SECTIONS

TOP = Path(__file__).resolve().parent.parent
CHECKS = catalogue()
BY_ID = {check.id: check for check in CHECKS}


def test_no_two_checks_share_an_id() -> None:
    assert len(BY_ID) == len(CHECKS) > 40


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_has_a_fault_a_remedy_and_needs_that_exist(check: Check) -> None:
    assert check.faults
    assert all(check.faults)
    assert check.remedy
    assert set(check.needs) <= set(BY_ID)
    assert len(check.claim.split()) > 1, "a check's name is a claim in words"


def test_no_two_checks_wait_for_each_other() -> None:
    order = in_order(BY_ID)
    assert all(order.index(need) < order.index(check.id) for check in CHECKS for need in check.needs)


def test_what_disturbs_comes_after_what_only_looks() -> None:
    """Some looks are made when their check's turn comes, and what was disturbed may not have settled then."""
    disturbing = [BY_ID[id].disruptive for id in in_order(BY_ID) if not BY_ID[id].last]
    assert disturbing == sorted(disturbing)
    looking = [check for check in CHECKS if not check.disruptive]
    assert not any(BY_ID[need].disruptive for check in looking for need in check.needs)


def test_what_is_looked_at_early_is_a_fixture_of_some_check() -> None:
    asked = {
        name
        for path in (TOP / "verify").glob("test_*.py")
        for value in vars(importlib.import_module(f"verify.{path.stem}")).values()
        if getattr(value, "check", None)
        for name in inspect.signature(value).parameters
    }
    assert set(LOOKS) <= asked


def test_every_section_of_the_snapshot_is_used_by_a_check() -> None:
    text = "".join(path.read_text() for path in (TOP / "verify").glob("*.py"))
    asked = r'(?:live|asked_now|seen)\["(\w+)"\]|error\("(\w+)"\)|snapshot\(host\)\["(\w+)"\]|"\)\["(\w+)"\]'
    read = set(re.findall(asked, text))
    used = {name for groups in read for name in groups if name} | {"units"}  # by Snapshot.unit
    assert set(SECTIONS) - used == set()
