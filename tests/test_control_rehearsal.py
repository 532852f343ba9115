"""A rehearsal: the same values under another name, with nothing of the real environment in reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from control import places
from control.console import Console
from control.rehearse import rehearsal_of
from control.secrets import store_of
from control.target import INVENTORIES
from control.twins import tell_substitutions
from inventories.model import ControllerKey, ModelError, load
from inventories.model.rehearsal import BOOTED_AS, VARIABLE
from twin.provider import MASKED, REHEARSED, SUBSTITUTIONS, host_files, image_files, substitutions

DELIVERED = {
    "/etc/apt/sources.list",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/ssh/sshd_config.d/50-cloud-init.conf",
    "/root/.ssh/authorized_keys",
}
"""Files of a twin's host that a provider writes in the same way."""


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


def test_what_stands_in_for_something_of_production_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell_substitutions(rehearsal_of("prod", ""), Console())
    said = capsys.readouterr().out
    assert "OS release of web1: debian13 in place of ubuntu24.04 (base image)" in said
    assert "secrets: values made for this twin" in said
    assert [line for line in said.splitlines() if "jump1" in line] == []


def test_nothing_is_said_to_stand_in_for_what_a_laboratory_declares_itself() -> None:
    told = substitutions(load("lab"))
    assert set(SUBSTITUTIONS) < set(told)
    assert [each for each in told if each in REHEARSED or each.what.startswith("OS release")] == []


def test_every_server_outside_that_the_twin_replaces_is_told() -> None:
    told = {each.what: each for each in substitutions(load("lab"))}
    for outside in ("trusted authorities", "image registries", "ACME authority", "ACME accounts"):
        assert outside in told
    for database in load("lab").databases:
        assert database.host in told[f"managed {database.kind} {database.name}"].where


def test_a_laboratory_without_the_web_has_nothing_of_it_replaced() -> None:
    lab = load("lab")
    bare = lab.model_copy(update={"hosts": (lab.host("edge1"),), "databases": ()})
    assert substitutions(bare) == SUBSTITUTIONS


def test_every_file_that_no_provider_delivers_is_told() -> None:
    files = {*image_files((), {}), *host_files("edge1", "lab.example", "0" * 32, "")}
    told = tuple(each.where for each in SUBSTITUTIONS)
    assert {path for path in files if not path.startswith(told)} == DELIVERED
    assert all(any(unit in where for where in told) for unit in MASKED)
