"""What stands at a path: kind, owner, mode and content, as a record that can be compared, kept and put
back."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import durable
from .places import on_disk
from .problem import AgentError


@dataclass(frozen=True)
class Entry:
    """One path of the host. `kind` is file, symlink, directory, absent, or other (device, socket, fifo)."""

    path: str
    kind: str
    uid: int = 0
    gid: int = 0
    mode: int = 0
    sha256: str = ""
    target: str = ""
    blob: str = ""
    """Name of the kept content below the store it was captured into."""

    def same(self, other: Entry) -> bool:
        """Nothing would change by putting the other in this one's place."""
        return _identity(self) == _identity(other)

    def record(self) -> dict[str, Any]:
        """The entry as JSON."""
        return asdict(self)


def _identity(entry: Entry) -> tuple[object, ...]:
    owned = (entry.uid, entry.gid, entry.mode) if entry.kind in ("file", "directory") else ()
    return (entry.path, entry.kind, owned, entry.sha256, entry.target)


def from_record(record: dict[str, Any]) -> Entry:
    """The entry that `Entry.record` wrote down."""
    return Entry(**record)


def look(path: str) -> Entry:
    """What stands at `path` now; a symlink is looked at, not through."""
    return _look(path)[0]


def capture(path: str, store: str, blob: str) -> Entry:
    """As `look`, and a file's content is kept as `store/blob` with its owner and mode (the store is
    private)."""
    entry, data = _look(path)
    if entry.kind == "other":
        raise AgentError(
            f"{path} is neither a file, a link nor a directory: it cannot be kept, nothing was changed"
        )
    if entry.kind != "file":
        return entry
    durable.create(os.path.join(store, blob), data, entry.uid, entry.gid, entry.mode)
    return replace(entry, blob=blob)


def _look(path: str) -> tuple[Entry, bytes]:
    place = on_disk(path)
    try:
        info = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return Entry(path, "absent"), b""
    owned = (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))
    if stat.S_ISLNK(info.st_mode):
        return Entry(path, "symlink", target=os.readlink(place)), b""
    if stat.S_ISDIR(info.st_mode):
        return Entry(path, "directory", *owned), b""
    if not stat.S_ISREG(info.st_mode):
        return Entry(path, "other"), b""
    data = read(place)
    return Entry(path, "file", *owned, hashlib.sha256(data).hexdigest()), data


def read(place: str) -> bytes:
    """The content of a regular file of this process's view; a link put there meanwhile is refused."""
    fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        return file.read()
