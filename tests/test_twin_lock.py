"""A twin's lock: one holder at a time, also while the file of the lock comes and goes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from twin.lock import locked


def test_the_last_change_takes_the_locks_file_away_and_no_other_does(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lab.lock"
    with locked(path):
        assert path.exists()
    assert path.exists()
    with locked(path, last=True):
        assert path.exists()
    assert not path.exists()


def test_a_last_change_that_failed_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    with pytest.raises(ValueError, match="half"), locked(path, last=True):
        raise ValueError("half-way")
    assert path.exists()


def test_who_waited_for_a_file_that_is_gone_keeps_the_next_one_out(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    inside, leave, entered = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        with locked(path):
            inside.set()
            leave.wait(10)

    def follow() -> None:
        with locked(path):
            entered.set()

    waiting, next_one = threading.Thread(target=wait), threading.Thread(target=follow)
    with locked(path, last=True):
        waiting.start()
        time.sleep(0.2)  # it waits for the file that is about to go
        assert not inside.is_set()
    assert inside.wait(10)
    next_one.start()
    assert not entered.wait(0.3)
    leave.set()
    assert entered.wait(10)
    for thread in (waiting, next_one):
        thread.join(10)


def test_two_never_change_at_once_while_the_file_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    held, together = 0, 0

    def change(turn: int) -> None:
        nonlocal held, together
        with locked(path, last=turn % 3 != 0):
            held += 1
            together += held > 1
            time.sleep(0.0005)
            held -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(300)))
    assert together == 0
