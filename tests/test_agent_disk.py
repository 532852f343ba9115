"""What is on disk before what: a power cut or a full disk leaves old or new."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest
from agent_crash import (
    FILES,
    FullDisk,
    armed,
    break_in,
    leftovers,
    start,
)
from agent_host import fresh

from deploys._agent import durable


def test_no_file_is_renamed_into_place_before_its_content_is_on_disk() -> None:
    synced: set[int] = set()
    late: list[str] = []
    fsync, rename = os.fsync, os.rename

    def watched_fsync(fd: int) -> None:
        synced.add(os.fstat(fd).st_ino)
        fsync(fd)

    def watched_rename(source: str, target: str, **more: Any) -> None:
        info = os.lstat(source)
        if not os.path.islink(source) and not os.path.isdir(source) and info.st_ino not in synced:
            late.append(source)
        rename(source, target, **more)

    with fresh() as host, ExitStack() as patches:
        start(host)
        patches.enter_context(mock.patch.object(os, "fsync", watched_fsync))
        patches.enter_context(mock.patch.object(os, "rename", watched_rename))
        assert host.apply("app", FILES).code == 0
        assert host.agent("set", "return", "app").code == 0
        armed(host)
        break_in(host)
        assert host.agent("guard", "return").code == 0
    assert synced
    assert not late


def test_every_directory_of_a_set_is_on_disk_before_its_journal_is_gone() -> None:
    order: list[str] = []
    fsync, unlink = os.fsync, durable.unlink

    def watched_fsync(fd: int) -> None:
        order.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    def watched_unlink(path: str) -> None:
        order.append(f"unlink {path}")
        unlink(path)

    with fresh() as host:
        start(host)
        path = host.bundle("app", FILES)
        with (
            mock.patch.object(os, "fsync", watched_fsync),
            mock.patch.object(durable, "unlink", watched_unlink),
        ):
            host.agent("set", "apply", path)
        gone = order.index(f"unlink {host.root}/var/lib/trunkline/journal.json")
        folders = {str(host.place(str(item["path"])).parent) for item in FILES}
        assert folders <= set(order[:gone])


@pytest.mark.parametrize("command", ["apply", "return"])
def test_a_disk_that_fills_up_at_any_write_leaves_everything_as_it_was(command: str) -> None:
    for step in range(1, 400):
        with fresh() as host:
            start(host)
            if command == "return":
                assert host.apply("app", FILES).code == 0
            before = host.tree()
            words = (
                ("set", "return", "app")
                if command == "return"
                else ("set", "apply", host.bundle("app", FILES))
            )
            with FullDisk(step) as writes:
                answer = host.agent(*words)
            host.agent("recover")
            if answer.code:
                assert host.tree() == before, step
                assert answer.sentence
            assert not leftovers(host), step
            if writes() < step:
                assert host.tree() != before
                return
    raise AssertionError("the command never ran out of writes")


def test_a_guard_returns_its_files_on_a_disk_without_room_and_writes_its_report_once_there_is_some() -> None:
    with fresh() as host:
        start(host)
        old = host.tree()
        armed(host)
        break_in(host)
        with FullDisk(1):
            assert host.agent("guard", "return").code == 1
        assert host.tree() == old
        assert host.agent("guard", "return").report["outcome"] == "returned"
        assert host.tree() == old
        assert not leftovers(host)
