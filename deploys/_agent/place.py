"""Put an entry in its place in one step: staged next door with its final owner and mode, then renamed."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid

from . import durable
from .entry import Entry, look, read
from .mounts import staging_for
from .places import on_disk, on_host, prefix
from .problem import AgentError


def stage(entry: Entry, data: bytes) -> str:
    """Prepare a file or link in a private directory of the same file system; returns where."""
    fresh = os.path.join(staging_for(entry.path), uuid.uuid4().hex)
    if entry.kind == "symlink":
        os.symlink(entry.target, fresh)
    else:
        durable.create(fresh, data, entry.uid, entry.gid, entry.mode)
    durable.sync_dir(os.path.dirname(fresh))
    return fresh


def missing_parents(path: str) -> list[str]:
    """Directories that must be made before `path` can stand, outermost first."""
    missing: list[str] = []
    parent = os.path.dirname(path)
    while not os.path.lexists(on_disk(parent)):
        missing.insert(0, parent)
        parent = os.path.dirname(parent)
    return missing


def put(entry: Entry, staged: str = "") -> None:
    """Bring `entry` into force; a file or link comes from `staged`. The directory is on disk when this
    returns."""
    if entry.kind == "absent":
        _take_away(entry.path)
        return
    for parent in missing_parents(entry.path):
        _own_directory(Entry(parent, "directory", os.geteuid(), os.getegid(), 0o755))
    if entry.kind == "directory":
        _own_directory(entry)
        return
    _displace_directory(entry.path)
    fd = _open_parent(entry.path)
    try:
        os.rename(staged, os.path.basename(entry.path), dst_dir_fd=fd)
        os.fsync(fd)
    finally:
        os.close(fd)


def put_back(entry: Entry, store: str) -> bool:
    """Bring a captured entry back into force; says whether anything had to change.

    Where the disk is full the kept copy itself is linked into place, which needs no room.
    """
    live = look(entry.path)
    if entry.same(live):
        return False
    if entry.kind == "absent" and live.kind == "directory" and os.listdir(on_disk(entry.path)):
        # Others have put files there meanwhile, which are not ours to take away.
        return False
    if entry.kind != "file":
        put(entry, stage(entry, b"") if entry.kind == "symlink" else "")
        return True
    kept = os.path.join(store, entry.blob)
    try:
        staged = stage(entry, read(kept))
    except OSError as error:
        if not durable.is_full(error):
            raise
        staged = f"{kept}.link"
        durable.remove_tree(staged)
        os.link(kept, staged)
    put(entry, staged)
    return True


def drop_made(directories: list[str]) -> None:
    """Take away directories that a change made, as far as they are empty."""
    for path in reversed(directories):
        with contextlib.suppress(OSError):
            os.rmdir(on_disk(path))
            durable.sync_dir(os.path.dirname(on_disk(path)))


def _take_away(path: str) -> None:
    place = on_disk(path)
    if not os.path.lexists(place):
        return
    fd = _open_parent(path)
    try:
        name = os.path.basename(path)
        if stat.S_ISDIR(os.lstat(place).st_mode):
            os.rmdir(name, dir_fd=fd)
        else:
            os.unlink(name, dir_fd=fd)
        os.fsync(fd)
    finally:
        os.close(fd)


def _own_directory(entry: Entry) -> None:
    fd = _open_parent(entry.path)
    try:
        name = os.path.basename(entry.path)
        live = look(entry.path)
        if live.kind in ("file", "symlink"):
            os.unlink(name, dir_fd=fd)
        if live.kind != "directory":
            os.mkdir(name, 0o700, dir_fd=fd)
        os.chown(name, entry.uid, entry.gid, dir_fd=fd, follow_symlinks=False)
        own = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        try:
            os.fchmod(own, entry.mode)
            os.fsync(own)
        finally:
            os.close(own)
        os.fsync(fd)
    finally:
        os.close(fd)


def _displace_directory(path: str) -> None:
    place = on_disk(path)
    if os.path.isdir(place) and not os.path.islink(place):
        os.rmdir(place)


def _open_parent(path: str) -> int:
    """The parent directory, by a way that only root could have laid: no link inside somebody else's
    directory."""
    parent = os.path.dirname(on_disk(path))
    real = _trusted(parent)
    fd = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if os.readlink(f"/proc/self/fd/{fd}") != real:
        os.close(fd)
        raise AgentError(f"{os.path.dirname(path)} changed while it was looked at: nothing was written there")
    return fd


def _trusted(directory: str) -> str:
    """The real path; refused where a link on the way stands in a directory that others may write."""
    here = os.path.realpath(prefix() or "/")
    for name in filter(None, on_host(directory).split("/")):
        step = os.path.join(here, name)
        if os.path.islink(step):
            owner = os.stat(here)
            if owner.st_uid not in (0, os.geteuid()) or owner.st_mode & 0o022:
                raise AgentError(
                    f"{on_host(directory)} leads through the link {name} that others can move: refused"
                )
            step = os.path.realpath(step)
        here = step
    return here
