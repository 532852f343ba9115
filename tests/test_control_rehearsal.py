"""A rehearsal: the same values under another name, with nothing of the real environment in reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from control import places
from control.rehearse import rehearsal_of
from control.secrets import store_of
from control.target import INVENTORIES
from inventories.model import ControllerKey, ModelError, load
from inventories.model.rehearsal import BOOTED_AS, VARIABLE


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a rehearsal sets within the test."""
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("TRUNKLINE_TWIN", "")


def test_production_is_rehearsed_in_a_twin_of_another_name() -> None:
    chosen = rehearsal_of("prod", "")
    assert chosen.environment.in_twin
    assert chosen.instance == "prod-rehearsal"
    assert places.state_of(chosen.instance) != places.state_of("prod")


def test_no_secret_of_the_real_environment_is_read() -> None:
    store = store_of(rehearsal_of("prod", ""))
    assert store.generates
    assert INVENTORIES not in store.path.parents


def test_the_twin_controller_may_log_in_as_the_deploy_account_and_nowhere_else() -> None:
    for host in rehearsal_of("prod", "").environment.hosts:
        for user in host.users.accounts:
            assert (ControllerKey() in user.keys) == (user.name == host.users.deploy)


def test_every_value_but_the_substituted_ones_is_production_s() -> None:
    rehearsed = rehearsal_of("prod", "").environment
    for host in rehearsed.hosts:
        assert host.os not in BOOTED_AS
    assert [host.ssh.port for host in rehearsed.hosts] == [2222, 22, 22, 22]
    assert rehearsed.controllers == rehearsal_of("prod", "").environment.controllers


def test_another_environment_stays_as_it_is_meanwhile() -> None:
    rehearsal_of("prod", "")
    with pytest.raises(ModelError):
        load("staging")
