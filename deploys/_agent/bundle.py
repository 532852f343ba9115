"""Read the managed set of one service from a tar: `set.json` and the blobs it names, everything checked
before use."""

from __future__ import annotations

import grp
import hashlib
import io
import json
import os
import pwd
import re
import sys
import tarfile
from dataclasses import dataclass, field
from typing import Any

from . import durable
from .entry import Entry, read
from .places import state
from .problem import AgentError

_SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_KINDS = ("file", "symlink", "absent", "directory")
_WORD = re.compile(r"[^\s\"'=:,;]{6,}")


@dataclass(frozen=True)
class Bundle:
    """The set as it shall stand; `data` holds the content of the files by path."""

    service: str
    entries: list[Entry]
    data: dict[str, bytes]
    check: list[str] | None = None
    trees: list[str] = field(default_factory=list)
    load: list[str] | None = None
    loaded: list[str] | None = None
    loaded_within: float = 0.0
    check_seconds: float = 30.0
    load_seconds: float = 60.0
    secrets: frozenset[str] = frozenset()

    def masked(self, text: str) -> str:
        """`text` without any word of a secret file."""
        for word in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(word, "********")
        return text


def open_bundle(path: str) -> Bundle:
    """The set in the tar at `path` (`-` = stdin); an upload below incoming/ is taken away at once. Raises
    AgentError."""
    if path == "-":
        packed = sys.stdin.buffer.read()
    else:
        packed = read(path)
        if os.path.dirname(os.path.abspath(path)) == state("incoming"):
            durable.remove_tree(path)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:*") as tar:
            members = {item.name: _content(tar, item) for item in tar.getmembers() if item.isreg()}
        wanted = json.loads(members["set.json"])
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise AgentError(
            f"the managed set is not readable ({error}): nothing was changed", error="content"
        ) from error
    return _bundle(wanted, members)


def _content(tar: tarfile.TarFile, item: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(item)
    return file.read() if file else b""


def _bundle(wanted: dict[str, Any], members: dict[str, bytes]) -> Bundle:
    service = str(wanted.get("service"))
    if not _SERVICE.fullmatch(service):
        raise AgentError(f"{service!r} is no name of a service", error="content")
    data: dict[str, bytes] = {}
    entries = [_entry(item, members, data) for item in wanted["files"]]
    if len({entry.path for entry in entries}) != len(entries):
        raise AgentError(f"the set of {service} names a path twice", service=service, error="content")
    secret = b"\n".join(
        data[item["path"]] for item in wanted["files"] if item.get("secret") and item["path"] in data
    )
    trees = wanted.get("check_tree") or []
    return Bundle(
        service=service,
        entries=entries,
        data=data,
        check=wanted.get("check"),
        trees=[trees] if isinstance(trees, str) else list(trees),
        load=wanted.get("load"),
        loaded=wanted.get("loaded"),
        loaded_within=float(wanted.get("loaded_within") or 0),
        check_seconds=float(wanted.get("check_seconds") or 30),
        load_seconds=float(wanted.get("load_seconds") or 60),
        secrets=frozenset(_WORD.findall(secret.decode(errors="replace"))),
    )


def _entry(item: dict[str, Any], members: dict[str, bytes], data: dict[str, bytes]) -> Entry:
    path, kind = str(item.get("path")), item.get("kind", "file")
    if not path.startswith("/") or path == "/" or os.path.normpath(path) != path or kind not in _KINDS:
        raise AgentError(f"{path!r} of kind {kind!r} cannot be managed", error="content")
    if kind == "absent":
        return Entry(path, "absent")
    if kind == "symlink":
        return Entry(path, "symlink", target=str(item["target"]))
    uid, gid, mode = (
        _uid(item.get("owner", "root")),
        _gid(item.get("group", "root")),
        int(str(item["mode"]), 8),
    )
    if kind == "directory":
        return Entry(path, "directory", uid, gid, mode)
    content = members.get(str(item.get("blob")))
    if content is None or hashlib.sha256(content).hexdigest() != item.get("sha256"):
        raise AgentError(f"the content of {path} did not arrive whole: nothing was changed", error="content")
    data[path] = content
    return Entry(path, "file", uid, gid, mode, str(item["sha256"]))


def _uid(name: str | int) -> int:
    try:
        return int(name) if str(name).isdigit() else pwd.getpwnam(str(name)).pw_uid
    except KeyError as error:
        raise AgentError(f"the owner {name} does not exist on this host", error="content") from error


def _gid(name: str | int) -> int:
    try:
        return int(name) if str(name).isdigit() else grp.getgrnam(str(name)).gr_gid
    except KeyError as error:
        raise AgentError(f"the group {name} does not exist on this host", error="content") from error
