"""The files a guarded service owns: remembered as a list, returned by that list (replace, or delete what
was added)."""

from __future__ import annotations

import glob
import os
import stat
from typing import Any

from . import durable
from .entry import Entry, capture, from_record, look
from .place import put, put_back
from .places import on_disk, on_host
from .problem import AgentError

_MOST = 5000


def remember(patterns: list[str], store: str) -> list[Entry]:
    """Every path the patterns own now, its directory first; exact paths that are missing are remembered as
    absent."""
    paths = _owned(patterns)
    if len(paths) > _MOST:
        raise AgentError(
            f"the patterns {', '.join(patterns)} own {len(paths)} paths, more than a guard keeps ({_MOST})"
        )
    parents = {os.path.dirname(path) for path in paths}
    folders = [look(parent) for parent in sorted(parents - set(paths) - {"/"})]
    kept = [capture(path, store, str(index)) for index, path in enumerate(paths)]
    return [folder for folder in folders if folder.kind == "directory"] + kept


def give_back(patterns: list[str], records: list[dict[str, Any]], store: str) -> tuple[list[str], list[str]]:
    """Bring the remembered state back: (what was restored, problems). One failing path does not stop the
    others."""
    restored: list[str] = []
    problems: list[str] = []
    entries = [from_record(record) for record in records]
    known = {entry.path for entry in entries}
    added = [path for path in _owned(patterns) if path not in known]
    # Folders before files, then what was added, deepest first: a file's way must stand before the file.
    for entry in sorted(
        entries, key=lambda entry: (entry.kind == "absent", entry.kind != "directory", entry.path)
    ):
        if entry.kind != "absent":
            _try(entry, restored, problems, lambda entry=entry: put_back(entry, store))
    gone = [Entry(entry.path, "absent") for entry in entries if entry.kind == "absent"]
    gone += [Entry(path, "absent") for path in added]
    for entry in sorted(gone, key=lambda entry: entry.path, reverse=True):
        _try(entry, restored, problems, lambda entry=entry: _discard(entry, store))
    return restored, problems


def _try(entry: Entry, restored: list[str], problems: list[str], action: Any) -> None:
    try:
        if action():
            restored.append(f"file {entry.path}")
    except (OSError, AgentError) as error:
        problems.append(f"{entry.path} was not restored: {error}")


def _discard(entry: Entry, store: str) -> bool:
    """Take a path away that was not there before; a copy is kept beside the guard's own."""
    live = look(entry.path)
    if live.kind == "absent":
        return False
    if live.kind == "directory" and os.listdir(on_disk(entry.path)):
        raise AgentError("it is a directory that holds files of others")
    if live.kind == "file":
        aside = os.path.join(store, "discarded")
        try:
            durable.make_dir(aside)
            durable.remove_tree(os.path.join(aside, entry.path.replace("/", "%")))
            capture(entry.path, aside, entry.path.replace("/", "%"))
        except OSError as error:
            if not durable.is_full(error):
                raise
    put(entry)
    return True


def _owned(patterns: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for pattern in patterns:
        if glob.has_magic(pattern):
            places = sorted(glob.glob(on_disk(pattern), recursive=True))
        elif os.path.isdir(on_disk(pattern)) and not os.path.islink(on_disk(pattern)):
            places = _tree(on_disk(pattern))
        else:
            places = [on_disk(pattern)]
        found.update(dict.fromkeys(on_host(place.rstrip("/")) for place in places if _keepable(place)))
    return list(found)


def _tree(top: str) -> list[str]:
    places = [top]
    for folder, directories, files in os.walk(top):
        places += [os.path.join(folder, name) for name in sorted(directories + files)]
    return places


def _keepable(place: str) -> bool:
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)
