"""Writes that survive a power cut: content first, then the name, then the directory (fsync(2), rename(2))."""

from __future__ import annotations

import errno
import json
import os
import shutil
from typing import Any

from .problem import AgentError


def sync_dir(path: str) -> None:
    """Put a directory's names on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: str) -> None:
    """Put a file that somebody else wrote on disk, with its name."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_dir(os.path.dirname(path))


def create(path: str, data: bytes, uid: int = -1, gid: int = -1, mode: int = 0o600) -> None:
    """Make a new file with its final owner and mode and put its content on disk; never seen with a wider
    mode."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace a file of the agent's own in one step."""
    fresh = f"{path}.new"
    remove_tree(fresh)
    create(fresh, data, mode=mode)
    os.rename(fresh, path)
    sync_dir(os.path.dirname(path))


def write_json(path: str, value: Any) -> None:
    """Replace a record of the agent's own in one step."""
    write(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def read_json(path: str) -> Any:
    """The record, or None where there is none. Raises AgentError when it cannot be understood."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise AgentError(f"{path} is damaged ({error}): look at it, then move it away") from error


def unlink(path: str) -> None:
    """Take a name away for good; fine when it is not there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    sync_dir(os.path.dirname(path))


def remove_tree(path: str) -> None:
    """Take away a file, link or whole directory of the agent's own; fine when it is not there."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return


def make_dir(path: str) -> None:
    """A private directory of the agent's own, and its name on disk."""
    if os.path.isdir(path):
        return
    make_dir(os.path.dirname(path))
    os.mkdir(path, 0o700)
    sync_dir(os.path.dirname(path))


def is_full(error: OSError) -> bool:
    """The disk or the quota has no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
