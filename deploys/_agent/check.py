"""Ask a daemon's own checker about files that are not in force yet.

The tree it reads is copied with the new files in place, and the checker runs in a private mount namespace
(unshare(1)) where that copy stands at the real path: absolute includes, relative ones and compiled-in paths
all lead to the staged files.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass

from . import durable
from .command import Outcome, run
from .entry import Entry, read
from .places import on_disk, state
from .problem import AgentError

_PRIVATE = ["unshare", "--mount", "--propagation", "private"]
_BIND = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'
_MOST_FILES = 20000


@dataclass(frozen=True)
class Staged:
    """A new entry and where its content is staged (empty for absent and directory)."""

    entry: Entry
    place: str


def can_be_private() -> bool:
    """This host lets us have a mount namespace of our own."""
    return run([*_PRIVATE, "true"], 10).ok


def ask(argv: list[str], trees: list[str], staged: list[Staged], seconds: float) -> Outcome:
    """The checker's answer about the staged files as if they were in force."""
    binds: list[tuple[str, str]] = []
    durable.make_dir(state("staging"))
    roots = sorted({_existing(tree) for tree in trees})
    for index, root in enumerate(roots):
        copy = os.path.join(state("staging"), f"tree-{index}")
        copy_tree(os.path.realpath(on_disk(root)), copy)
        for item in staged:
            if _below(item.entry.path, root):
                _overlay(item, copy + item.entry.path[len(root) :] if root != "/" else copy + item.entry.path)
        binds.append((copy, on_disk(root)))
    outside: dict[str, str] = {}
    for item in staged:
        if item.entry.kind != "file" or any(_below(item.entry.path, root) for root in roots):
            continue
        if os.path.isfile(on_disk(item.entry.path)):
            binds.append((item.place, on_disk(item.entry.path)))
        else:
            outside[item.entry.path] = item.place
    mounts = [path for bind in binds for path in bind]
    return run([*_PRIVATE, "sh", "-c", _BIND, "sh", *mounts, "--", *named(argv, outside)], seconds)


def named(argv: list[str], staged: dict[str, str]) -> list[str]:
    """Replace `{/path}` by the path the checker is to read: the real one, unless it can only be read
    staged."""
    return [
        re.sub(r"\{(/[^{}]*)\}", lambda found: staged.get(found[1], on_disk(found[1])), word) for word in argv
    ]


def copy_tree(source: str, copy: str) -> None:
    """Copy files, links and directories with owners and modes; devices and sockets are left out."""
    if not os.path.isdir(source):
        _copy(source, copy)
        return
    _copy(source, copy)
    count = 0
    for folder, directories, files in os.walk(source):
        for name in directories + files:
            place = os.path.join(folder, name)
            _copy(place, copy + place[len(source) :])
        count += len(files)
        if count > _MOST_FILES:
            raise AgentError(f"{source} has more than {_MOST_FILES} files: name a smaller check_tree")


def _copy(source: str, copy: str) -> None:
    info = os.lstat(source)
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(source), copy)
    elif stat.S_ISDIR(info.st_mode):
        os.mkdir(copy, 0o700)
        os.chown(copy, info.st_uid, info.st_gid)
        os.chmod(copy, stat.S_IMODE(info.st_mode))
    elif stat.S_ISREG(info.st_mode):
        _create(copy, read(source), info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))


def _create(place: str, data: bytes, uid: int, gid: int, mode: int) -> None:
    with open(place, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(data)
        os.fchown(file.fileno(), uid, gid)
        os.fchmod(file.fileno(), mode)


def _overlay(item: Staged, place: str) -> None:
    entry = item.entry
    if entry.kind == "directory":
        os.makedirs(place, exist_ok=True)
        os.chown(place, entry.uid, entry.gid)
        os.chmod(place, entry.mode)
        return
    durable.remove_tree(place)
    if entry.kind == "absent":
        return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if entry.kind == "symlink":
        os.symlink(entry.target, place)
    else:
        shutil.copyfile(item.place, place)
        os.chown(place, entry.uid, entry.gid)
        os.chmod(place, entry.mode)


def _existing(tree: str) -> str:
    """The tree, or the nearest directory above it that exists: nothing can be bound over a missing path."""
    tree = os.path.normpath(tree)
    while not os.path.exists(on_disk(tree)):
        tree = os.path.dirname(tree)
    return tree


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
