"""Write a file whole or not at all, and one writer at a time.

What root writes belongs to whoever owns the directory: a clone and a home stay their owner's, also by sudo.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let nobody else who asks change the files of a directory (flock(2)); another writer waits here.

    The lock is on the directory itself: no file is left, and a dead writer gives it up. Not for use within
    itself.
    """
    made(directory)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def made(directory: Path) -> None:
    """Make a directory and those above it, each the owner's of the one that it is made in."""
    if not directory.is_dir():
        made(directory.parent)
        directory.mkdir(exist_ok=True)
        if owner := _handed(directory.parent):
            os.lchown(directory, *owner)


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, mode 0600, atomically and durably; its directory is made when missing."""
    _write(path, data, 0o600)


def write_public(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, mode 0644, atomically and durably; its directory is made when missing."""
    _write(path, data, 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    made(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if owner := _handed(path.parent):
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _handed(directory: Path) -> tuple[int, int] | None:
    """Return the user and group that root gives a new entry of a directory to; None where we are not root."""
    owner = directory.stat()
    return (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
