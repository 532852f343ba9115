"""The table of faults: each check is the root of some, and says itself of which."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from inventories.model import load
from prove.fault import Fault
from prove.tables import FAULTS
from verify.checks import Check, catalogue

CHECKS = catalogue()
HOSTS = {host.name for host in load("lab").hosts}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_names_exactly_the_faults_of_which_it_is_the_root(check: Check) -> None:
    assert set(check.faults) == {fault.name for fault in FAULTS if fault.check == check.id} != set()


def test_no_two_faults_share_a_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_breaks_a_host_of_the_lab_by_a_script_that_a_shell_can_read(fault: Fault) -> None:
    assert fault.host in HOSTS
    read = subprocess.run(["sh", "-n", "-c", fault.breaks], capture_output=True, text=True, check=False)
    assert not read.stderr, shlex.quote(fault.breaks)
    applies = next(check.applies for check in CHECKS if check.id == fault.check)
    assert applies is None or applies(load("lab").host(fault.host))
    assert set(fault.also) <= {check.id for check in CHECKS}
