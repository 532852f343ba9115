"""What a person sees, and what a program reads instead."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from invoke.exceptions import Exit

from control import progress
from control.atomic import write_private
from control.console import Console
from control.ending import ended, explanations
from control.errors import Several, TrunklineError, raise_all
from control.openings import sheet
from control.progress import PlainBoard
from control.target import target
from control.verification import Verification, tell


def test_json_tables_give_an_event_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).table("row", ("Host", "Last seen"), [("edge1", "now"), ("edge2", "never")])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events == [
        {"event": "row", "host": "edge1", "last_seen": "now"},
        {"event": "row", "host": "edge2", "last_seen": "never"},
    ]


def test_markup_in_data_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table("row", ("What",), [("[red]x[/red]",), ("fail: [bold]",)])
    said = capsys.readouterr().out
    assert "[red]x[/red]" in said
    assert "fail: [bold]" in said


def test_a_diff_is_shown_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    Console().diff("--- a\n+++ b\n@@ -1 +1 @@\n-old [x]\n+new [y]")
    assert "    -old [x]\n    +new [y]\n" in capsys.readouterr().out


def test_plain_progress_tells_what_changed_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainBoard("deploy lab") as board:
        board.working("edge1", "ssh: files")
        board.done("edge1", "ssh: files", "changed", 1.23)
        board.working("edge1", "users: files")
        board.done("edge1", "users: files")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "deploy lab"
    assert len(lines) == 2
    assert lines[1].endswith("edge1  ssh: files  changed (1.2 s)")


def test_long_silence_gets_a_sign_of_life(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STILL", 0.05)
    with PlainBoard("deploy lab") as board:
        board.working("edge1", "packages: install")
        time.sleep(0.2)
    assert "edge1  packages: install  ... " in capsys.readouterr().out


def test_several_errors_are_told_each_with_its_remedy() -> None:
    parts = [
        TrunklineError("edge1: no room.", "Make some."),
        TrunklineError("edge2: no python3.", "Install."),
    ]
    with pytest.raises(Several) as caught:
        raise_all(parts)
    assert explanations(caught.value) == [(part.message, part.remedy) for part in parts]


def test_a_single_error_stays_itself() -> None:
    only = TrunklineError("edge1: no room.", "Make some.")
    with pytest.raises(TrunklineError) as caught:
        raise_all([only])
    assert caught.value is only
    raise_all([])


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (TrunklineError("It broke.", "Mend it."), "error: It broke.\n  Mend it.\n", 1),
        (TrunklineError("It broke.\nwords", "Mend it."), "error: It broke.\n    words\n  Mend it.\n", 1),
        (KeyboardInterrupt("Stopped after edge1."), "Stopped after edge1.\n", 130),
        (KeyboardInterrupt(), "Interrupted.\n", 130),
        (ZeroDivisionError("division by zero"), "error: Unexpected ZeroDivisionError: division by zero\n", 1),
        (FileNotFoundError(2, "No such file", "/x"), "error: No such file: /x.\n", 1),
        (PermissionError(13, "Permission denied", "/x"), "error: /x may not be used by you.\n", 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_end_is_a_sentence_and_a_code(
    error: BaseException, sentence: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @ended
    def body() -> int:
        raise error

    with pytest.raises(Exit) as caught:
        body()
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert "Traceback" not in said
    assert caught.value.code == code


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    @ended
    def body(debug: bool = False) -> int:
        raise TrunklineError("It broke.")

    with pytest.raises(Exit):
        body(debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_the_provider_sheet_holds_each_opening_for_both_families() -> None:
    lab = target("lab")
    rows = [row for host in lab.hosts for row in sheet(host, lab)]
    assert ("edge1", "in", "tcp", "9100", "IPv4", "192.0.2.10/32", "metrics of this host") in rows
    assert not [row for row in rows if row[0] == "edge1" and row[4] == "IPv6"]
    ssh = [row for row in rows if row[0] == "edge2" and row[3] == "22"]
    assert [row[4] for row in ssh] == ["IPv4", "IPv6"]
    assert "203.0.113.0/28" in ssh[0][5]
    assert "2001:db8:203::/64" in ssh[1][5]


def test_a_failure_is_told_with_evidence_remedy_and_what_it_blocks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = {
        "id": "edge1/ssh.up", "claim": "sshd answers", "verdict": "fail", "gates": True, "blocked_by": None,
        "seen": "nothing on port 22", "wanted": "an SSH banner", "remedy": "start ssh",
    }  # fmt: skip
    behind = {
        **root,
        "id": "edge1/users.keys",
        "verdict": "blocked",
        "gates": False,
        "blocked_by": root["id"],
    }
    tell(Verification((root, behind), 2.0, False), Console())
    said = capsys.readouterr().out
    assert "FAIL  edge1/ssh.up: sshd answers" in said
    assert "seen nothing on port 22, wanted an SSH banner" in said
    assert "do: start ssh" in said
    assert "blocked by it: edge1/users.keys" in said
    assert said.splitlines()[-1] == "verify: 1 fail, 1 blocked in 2.0 s"


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["file"]
