"""What the checks came to is kept where somebody asks for it, and told only when they really ran."""

from __future__ import annotations

import json
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from control import verification
from control.console import Console
from control.errors import TrunklineError
from control.target import Target, target

LAB = target("lab")
REPORT = {"checks": [{"id": "edge1/ssh.x", "verdict": "ok", "gates": False}], "seconds": 1.5, "ok": True}
XML = b"<testsuites/>"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of pytest; it writes what it is told to and ends well, and nobody is asked."""
    lines: list[list[str]] = []

    def run(argv: list[str], chosen: Target, console: Console) -> tuple[int, str]:
        lines.append(argv)
        after: dict[str, Any] = dict(pairwise(argv))
        Path(after["--report"]).write_text(json.dumps(REPORT))
        if "--junitxml" in after:
            Path(after["--junitxml"]).write_bytes(XML)
        return 0, ""

    monkeypatch.setattr(verification, "_run", run)
    return lines


def test_the_report_and_junits_xml_are_kept_for_their_owner_alone(
    ran: list[list[str]], tmp_path: Path
) -> None:
    kept = {"report": tmp_path / "report.json", "junit": tmp_path / "junit.xml"}
    kept["report"].write_text("of another run")
    assert verification.verify(LAB, Console(), kept=kept).passed
    assert json.loads(kept["report"].read_text()) == REPORT
    assert kept["junit"].read_bytes() == XML
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept.values()} == {0o600}


def test_without_a_wish_nothing_is_kept(ran: list[list[str]]) -> None:
    verification.verify(LAB, Console())
    (argv,) = ran
    assert "--junitxml" not in argv
    assert not Path(argv[argv.index("--report") + 1]).exists()


@pytest.mark.parametrize("begun", [False, True], ids=["before the report", "with a report of nothing"])
def test_checks_that_could_not_run_leave_the_files_of_another_run_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: bool
) -> None:
    def ended(argv: list[str], *_: object) -> tuple[int, str]:
        if begun:
            Path(argv[argv.index("--report") + 1]).write_text(json.dumps(REPORT | {"checks": []}))
        return 1, "error: the twin lab is not up"

    monkeypatch.setattr(verification, "_run", ended)
    old = tmp_path / "report.json"
    old.write_text("of another run")
    with pytest.raises(TrunklineError, match="the twin lab is not up"):
        verification.verify(LAB, Console(), kept={"report": old})
    assert old.read_text() == "of another run"
