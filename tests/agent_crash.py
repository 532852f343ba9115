"""What the tests of crashes share: a host with files, what changes them, and what may not be left over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

from agent_host import Host, fresh

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
    """No file or link is in between; directories do not count, they come before and go after their files."""
    names = {name for tree in (live, old, new) for name, seen in tree.items() if seen[0] != "directory"}
    return all(live.get(name) in (old.get(name), new.get(name)) for name in names)


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
