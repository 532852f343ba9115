"""How many hosts a machine carries, when several twins want to boot at once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from control import places
from control.errors import TrunklineError
from twin import room
from twin.room import INOTIFY_OF_HOST, leave_room, require_room


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own that carries twelve hosts."""
    limit = tmp_path / "limit"
    limit.write_text(f"{12 * INOTIFY_OF_HOST}\n")
    monkeypatch.setattr(room, "_LIMIT", limit)
    monkeypatch.setattr(room, "inotify_left", lambda wanted: wanted)  # others have twins up, too
    monkeypatch.setattr(room, "PAUSE", 0.02)
    monkeypatch.setattr(places, "run", lambda: tmp_path)
    monkeypatch.delenv(room.PATIENCE, raising=False)
    return tmp_path


def up(run: Path, twin: str, hosts: int) -> None:
    (run / twin).mkdir(exist_ok=True)
    require_room(hosts, hosts, run, twin)


def test_a_third_lab_is_refused_though_the_first_two_have_not_taken_all_of_theirs_yet(run: Path) -> None:
    up(run, "one", 5)
    up(run, "two", 5)
    with pytest.raises(TrunklineError) as refused:
        up(run, "three", 5)
    assert refused.value.message == (
        "The machine has too few of its 108 inotify instances left for 5 more hosts, which need 45."
    )
    assert "fs.inotify.max_user_instances=864" in refused.value.remedy


def test_hosts_that_boot_again_need_no_more_room(run: Path) -> None:
    up(run, "one", 10)
    require_room(10, 10, run, "one")
    require_room(0, 99, run, "one")


def test_a_twin_that_is_gone_needs_none(run: Path) -> None:
    up(run, "one", 10)
    up(run, "killed", 2)
    (run / "killed").rmdir()
    up(run, "two", 2)
    leave_room("one")
    up(run, "three", 10)


def test_a_twin_waits_for_room_where_it_is_told_to(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.PATIENCE, "30")
    up(run, "one", 10)
    threading.Timer(0.2, leave_room, ("one",)).start()
    since = time.monotonic()
    up(run, "two", 10)
    assert time.monotonic() - since > 0.1
