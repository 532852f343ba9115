"""SIGKILL between any two system calls that write: old or new, never half, and the next command ends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest
from agent_host import Host, fresh

from deploys._agent import durable

Tree = dict[str, tuple[str, int, str]]
FILES = [
    {"path": "/etc/app/main.conf", "text": "new main, and longer than before\n", "mode": "0600"},
    {"path": "/etc/app/conf.d/10-part.conf", "text": "new part\n"},
    {"path": "/etc/app/conf.d/50-provider.conf", "kind": "absent"},
    {"path": "/etc/app/link", "kind": "symlink", "target": "new-target"},
    {"path": "/etc/app/made/below", "text": "in a directory that has to be made\n"},
]
SERVICES = {
    "services": [{"service": "app", "files": ["/etc/app", "/etc/app.conf"], "reload": [["sh", "-c", "true"]]}]
}


def start(host: Host) -> None:
    host.write("/etc/app/main.conf", "old main\n", 0o640)
    host.write("/etc/app/conf.d/50-provider.conf", "of the provider\n")
    host.place("/etc/app/link").symlink_to("old-target")


def each_file_is_old_or_new(live: Tree, old: Tree, new: Tree) -> bool:
    names = {name for name in {*live, *old, *new} if {old.get(name, " ")[0], new.get(name, " ")[0]} != {"d"}}
    return all(
        live.get(name) in (old.get(name), new.get(name))
        for name in names
        if (live.get(name) or old.get(name) or new[name])[0] != "directory"
    )


def leftovers(host: Host) -> list[str]:
    state = host.place("/var/lib/trunkline")
    found = [
        name
        for name in ("journal.json", "staging", "guard/armed", "guard/ballast")
        if (state / name).exists()
    ]
    units = host.place("/etc/systemd/system")
    return found + [path.name for path in units.rglob("trunkline-guard*")]


def crashes(words: tuple[str, ...], prepare: Any, stdin: Any = "") -> Iterator[tuple[int, Host]]:
    """Every host on which the command was killed, one step later each time, until it comes to its end."""
    for step in range(1, 1000):
        with fresh() as host:
            start(host)
            prepare(host)
            killed = host.killed_at(step, *words, stdin=stdin)
            yield step, host
            if not killed:
                assert step > 15, "the command was hardly ever killed: this proves nothing"
                return
    raise AssertionError("the command never came to its end")


def states() -> tuple[Tree, Tree]:
    with fresh() as host:
        start(host)
        old = host.tree()
        assert host.apply("app", FILES).code == 0
        return old, host.tree()


def test_a_set_killed_at_any_step_is_old_or_new_file_by_file_and_wholly_so_after_the_next_command() -> None:
    old, new = states()
    seen = set()
    words = ("set", "apply", "")
    for step in range(1, 1000):
        with fresh() as host:
            start(host)
            killed = host.killed_at(step, *words[:2], host.bundle("app", FILES, load=["true"]))
            assert each_file_is_old_or_new(host.tree(), old, new), step
            host.agent("recover")
            assert host.tree() in (old, new), step
            assert not leftovers(host), step
            seen.add(host.tree() == new)
            assert host.apply("app", FILES).code == 0
            assert host.tree() == new
            if not killed:
                break
    assert step > 50
    assert seen == {True, False}


def test_a_recovery_that_is_killed_itself_is_ended_by_the_next_one() -> None:
    old, new = states()
    for step in range(30, 80, 3):
        for second in range(1, 200, 4):
            with fresh() as host:
                start(host)
                host.killed_at(step, "set", "apply", host.bundle("app", FILES))
                killed = host.killed_at(second, "recover")
                assert each_file_is_old_or_new(host.tree(), old, new), (step, second)
                host.agent("recover")
                assert host.tree() in (old, new), (step, second)
                assert not leftovers(host), (step, second)
                if not killed:
                    break


def test_a_set_return_killed_at_any_step_is_old_or_new_and_nothing_is_lost() -> None:
    old, new = states()

    def prepare(host: Host) -> None:
        assert host.apply("app", FILES).code == 0

    for step, host in crashes(("set", "return", "app"), prepare):
        assert each_file_is_old_or_new(host.tree(), old, new), step
        host.agent("recover")
        assert not leftovers(host), step
        tree = host.tree()
        tree.pop("/etc/app/made", None)
        assert tree in (old, {k: v for k, v in new.items() if k != "/etc/app/made"}), step
        if host.tree() == new:
            assert host.agent("set", "return", "app").code == 0, "the generation must still be there"
        assert host.text("/etc/app/main.conf") == "old main\n"


def armed(host: Host) -> str:
    told = host.agent("guard", "arm", "--seconds", "60", stdin=SERVICES)
    assert told.code == 0, told.sentence
    return str(told.report["id"])


def break_in(host: Host) -> None:
    host.write("/etc/app/main.conf", "locked out\n", 0o666)
    host.write("/etc/app/added/deep/file", "added\n")
    host.write("/etc/app.conf", "was absent\n")
    host.place("/etc/app/conf.d/50-provider.conf").unlink()
    host.place("/etc/app/link").unlink()
    host.place("/etc/app/conf.d").chmod(0o777)


def test_an_arming_killed_at_any_step_is_dropped_or_armed_and_a_new_one_can_follow() -> None:
    for step, host in crashes(("guard", "arm", "--seconds", "60"), lambda host: None, SERVICES):
        before = host.tree()
        host.agent("recover")
        live = host.agent("guard", "show").report["armed"]
        if live is None:
            assert not leftovers(host), step
            armed(host)
        assert host.agent("guard", "return").report["outcome"] == "returned"
        assert host.tree() == before, step
        assert not leftovers(host), step


def test_a_return_killed_at_any_step_is_ended_by_the_next_run_with_everything_back() -> None:
    with fresh() as untouched:
        start(untouched)
        old = untouched.tree()

    def prepare(host: Host) -> None:
        armed(host)
        break_in(host)

    for step, host in crashes(("guard", "return"), prepare):
        host.agent("guard", "return")
        assert host.tree() == old, step
        assert not leftovers(host), step
        last = host.agent("guard", "show").report["last"]
        assert last["outcome"] == "returned"
        assert "file /etc/app/main.conf" in last["restored"] or step > 1


def test_there_is_no_moment_in_which_a_guard_is_neither_armed_nor_told_how_it_ended() -> None:
    for words in (("guard", "return"), ("guard", "confirm", "--id")):
        for step in range(1, 300):
            with fresh() as host:
                start(host)
                guard = armed(host)
                killed = host.killed_at(step, *words, *([guard] if len(words) == 3 else []))
                shown = host.agent("guard", "show").report
                assert guard in ((shown["armed"] or {}).get("id"), (shown["last"] or {}).get("id")), step
                if not killed:
                    break


def test_a_return_killed_at_any_step_has_its_files_back_after_the_early_boot_unit_ran() -> None:
    with fresh() as untouched:
        start(untouched)
        old = untouched.tree()

    def prepare(host: Host) -> None:
        armed(host)
        break_in(host)

    for step, host in crashes(("guard", "return"), prepare):
        begun = (host.agent("guard", "show").report["armed"] or {}).get("phase") != "armed"
        host.agent("recover", "--boot")
        assert not begun or host.tree() == old, step


def test_a_confirmation_killed_at_any_step_either_stays_armed_or_is_confirmed_for_good() -> None:
    words = ["guard", "confirm", "--id", ""]
    outcomes = set()
    for step in range(1, 200):
        with fresh() as host:
            start(host)
            words[3] = armed(host)
            break_in(host)
            changed = host.tree()
            killed = host.killed_at(step, *words)
            again = host.agent(*words)
            assert again.report == {"id": words[3], "outcome": "confirmed"}, (step, again.sentence)
            assert host.tree() == changed
            assert not leftovers(host), step
            outcomes.add(killed)
            if not killed:
                break
    assert outcomes == {True, False}


def test_a_kill_of_a_confirmation_never_lets_the_timer_return_a_confirmed_change() -> None:
    for step in range(1, 200):
        with fresh() as host:
            start(host)
            guard = armed(host)
            break_in(host)
            changed = host.tree()
            killed = host.killed_at(step, "guard", "confirm", "--id", guard)
            confirmed = '"phase": "confirmed"' in (
                host.text("/var/lib/trunkline/guard/armed/guard.json") or ""
            )
            closed = host.agent("guard", "show").report["last"] is not None
            host.agent("guard", "return")
            if confirmed or closed or not killed:
                assert host.tree() == changed, step
            assert not leftovers(host), step
            if not killed:
                return


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


class FullDisk:
    """From the `step`-th write on the disk has no room for a new file's content."""

    def __init__(self, step: int) -> None:
        self.step, self.count = step, 0

    def __enter__(self) -> Any:
        write = os.write

        def limited(fd: int, data: Any) -> int:
            self.count += 1
            if self.count >= self.step:
                raise OSError(28, "No space left on device")
            return write(fd, data)

        self.patch = mock.patch.object(os, "write", limited)
        self.patch.start()
        return lambda: self.count

    def __exit__(self, *_: object) -> None:
        self.patch.stop()
