"""Every file as it will stand: complete, with its owner and mode, and nothing secret in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from control import render as rendering
from control.console import Console
from control.errors import TrunklineError
from control.render import render
from control.target import Target, target
from deploys._ops.managed import ManagedFile
from deploys.site import rendered

SECRET = ManagedFile("ssh", "/etc/key", "s3cr3t-Marker-9d2e", mode="0600", secret=True)


@pytest.fixture
def edge1() -> Target:
    """The laboratory's first host."""
    return target("lab", "edge1")


@pytest.fixture
def with_secret(edge1: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The same host with one file more, which is secret."""
    files = rendered(edge1.hosts[0], edge1.environment)
    monkeypatch.setattr("deploys.site.rendered", lambda host, environment: [*files, SECRET])
    return edge1


def test_every_managed_file_is_told_with_owner_mode_and_content(
    edge1: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    render(edge1, Console(as_json=True), "")
    told: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    files = rendered(edge1.hosts[0], edge1.environment)
    assert [(each["host"], each["path"]) for each in told] == [("edge1", file.path) for file in files]
    sshd = next(each for each in told if each["path"].endswith("10-trunkline.conf"))
    assert "PasswordAuthentication no" in sshd["content"]
    assert (sshd["owner"], sshd["group"], sshd["mode"]) == ("root", "root", "0600")


def test_the_files_are_written_below_a_directory_for_each_host(edge1: Target, tmp_path: Path) -> None:
    render(edge1, Console(), str(tmp_path))
    files = [file for file in rendered(edge1.hosts[0], edge1.environment) if file.kind == "file"]
    for file in files:
        path = tmp_path / "edge1" / file.path.lstrip("/")
        assert path.read_text(encoding="utf-8") == file.content
        assert path.stat().st_mode & 0o777 == (0o644 if file.mode.endswith("4") else 0o600)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(files)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_that_holds_a_secret_is_named_and_not_shown(
    with_secret: Target, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    render(with_secret, Console(as_json=as_json), "")
    said = capsys.readouterr().out
    assert "/etc/key" in said
    assert SECRET.content not in said


def test_a_file_that_holds_a_secret_is_not_written(with_secret: Target, tmp_path: Path) -> None:
    render(with_secret, Console(), str(tmp_path))
    assert not (tmp_path / "edge1/etc/key").exists()


def test_nothing_is_written_outside_of_the_chosen_directory(tmp_path: Path) -> None:
    with pytest.raises(TrunklineError, match="outside of"):
        rendering._write(tmp_path / "edge1", ManagedFile("ssh", "/../../beside", "x"))
    assert list(tmp_path.iterdir()) == []


def test_an_environment_file_is_shown_with_stars_in_place_of_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    render(target("lab", "web1"), Console(), "")
    shown = capsys.readouterr().out
    assert "DATABASE_PASSWORD='***'" in shown
    assert "DATABASE_HOST='db.lab.example'" in shown
    assert "redis@sha256:(resolved on the host by the deploy)" in shown
