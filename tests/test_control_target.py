"""Which environment, which instance, which hosts: and what is said when there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from control import target as choosing
from control.errors import TrunklineError
from control.target import target
from inventories.model import ModelError


def test_all_hosts_are_chosen_in_the_inventory_order() -> None:
    chosen = target("lab")
    assert chosen.names == ["edge1", "edge2", "vpn1", "vpn2", "pbx1", "web1"]
    assert not chosen.limited


@pytest.mark.parametrize("limit", ["edge2", " edge2 ", "edge2,", "edge2,edge2"])
def test_limit_chooses_hosts_by_name(limit: str) -> None:
    chosen = target("lab", limit)
    assert chosen.names == ["edge2"]
    assert chosen.limited


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("edge", "--limit names edge, which lab does not declare."),
        ("edge1,x,y", "--limit names x, y, which lab does not declare."),
        (",", "--limit names no host."),
        ("*", "--limit names *, which lab does not declare."),
    ],
)
def test_a_name_that_nobody_declared_is_refused(limit: str, sentence: str) -> None:
    with pytest.raises(TrunklineError) as caught:
        target("lab", limit)
    assert caught.value.message == sentence
    assert caught.value.remedy


def test_an_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(TrunklineError) as caught:
        target("pord")
    assert caught.value.message == "There is no environment 'pord'."
    assert "lab" in caught.value.remedy
    assert "prod" in caught.value.remedy


def test_the_instance_is_the_twin_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUNKLINE_TWIN", raising=False)
    assert target("lab").instance == "lab"
    assert target("lab", twin="other").instance == "other"
    monkeypatch.setenv("TRUNKLINE_TWIN", "third")
    assert target("lab").instance == "third"


def test_an_example_environment_is_refused_with_every_problem() -> None:
    with pytest.raises(ModelError) as caught:
        target("prod")
    assert len(caught.value.problems) > 10


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("environment = (\n", "inventories/broken.py, line 1 cannot be read: '(' was never closed."),
        ("import nothing_of_that_name\n", "inventories/broken.py, line 1 cannot be read: No module named"),
        ("x = 1\nenvironment = {}['k']\n", "inventories/broken.py, line 2 cannot be read: 'k'."),
    ],
)
def test_an_inventory_that_python_cannot_read_names_file_and_line(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inventories
    from inventories.model import load as loading

    (tmp_path / "broken.py").write_text(text)
    monkeypatch.setattr(inventories, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys.modules[loading.__module__], "INVENTORIES", tmp_path)
    monkeypatch.setattr(choosing, "INVENTORIES", tmp_path)
    with pytest.raises(TrunklineError) as caught:
        target("broken")
    assert caught.value.message.startswith(sentence)
