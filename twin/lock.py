"""One change of a twin at a time, whichever process makes it; the lock's file goes when the twin does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path


@contextmanager
def locked(path: Path, *, last: bool = False) -> Iterator[None]:
    """Hold the lock of a file (flock(2)) and wait for it; `last`: take the file away where all went well.

    Who waited for a file that is gone meanwhile would hold a lock that nobody else can see: it begins anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _stands_at(path, lock):
                continue
            yield
            if last:
                path.unlink()
            return


def _stands_at(path: Path, lock: TextIOWrapper) -> bool:
    """Say whether an open file is the one that others will find."""
    try:
        return os.path.samestat(path.stat(), os.fstat(lock.fileno()))
    except FileNotFoundError:
        return False
