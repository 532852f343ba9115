"""Managed sets: all files of one service, checked and put in place as one by the host's agent."""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from typing import Any

from pyinfra.api.command import FileUploadCommand, FunctionCommand, StringCommand

from deploys import _agent
from deploys._engine import report
from deploys._ops import live
from deploys._ops.managed import ManagedFile
from deploys._ops.operation import operation

INCOMING = "/var/lib/trunkline/incoming"
PATIENCE = 300
"""Seconds for everything about a set but its loading: another agent's work, the checker, the proof."""


@dataclass(frozen=True)
class Checks:
    """How a set proves itself: the daemon's checker before it is put in place, loading and proof after."""

    check: tuple[str, ...] | None = None
    check_tree: tuple[str, ...] | None = None
    load: tuple[str, ...] | None = None
    loaded: tuple[str, ...] | None = None
    loaded_within: int = 0
    load_seconds: int = 60
    """How long loading may take; where it fails, as long again for loading what stood before."""


UNCHECKED = Checks()


def differing(files: Sequence[ManagedFile]) -> list[tuple[ManagedFile, dict[str, Any]]]:
    """Return the files that are not as they must be, each with what stands there instead."""
    asked = {file.path: _standing(file) for file in live.wanted().files}
    seen = live.files()
    found = [(file, seen.get(file.path, asked[file.path])) for file in files]
    return [(file, stands) for file, stands in found if stands["is"] != file.fingerprint]


def _standing(file: ManagedFile) -> dict[str, Any]:
    """Return what is seen where a file stands as it was asked for."""
    content = None if file.secret else base64.b64encode(file.content.encode()).decode()
    return {"is": file.fingerprint, "content": content}


def difference(file: ManagedFile, stands: dict[str, Any]) -> str:
    """Return a unified diff from what stands to what must stand; secret content is never in it."""
    old, new = stands["is"].split(), file.fingerprint.split()
    shown = [f"--- {_described(file, old)}", f"+++ {_described(file, new)}"]
    if file.secret:
        return "\n".join([*shown, "content is secret"])
    before = base64.b64decode(stands["content"] or "").decode(errors="replace").splitlines()
    after = file.content.splitlines() if file.kind == "file" else []
    return "\n".join([*shown, *list(unified_diff(before, after, lineterm="", n=1))[2:]])


def _unseen(files: Sequence[ManagedFile]) -> list[str]:
    """Name the files that must go as soon as a package that is still missing brings them."""
    if not live.system()["packages"]["missing"]:
        return []
    return [f"- {file.path}, where a package brings it" for file in files if file.kind == "absent"]


def _described(file: ManagedFile, fingerprint: list[str]) -> str:
    """Return path, kind, owner and mode, without the digest."""
    what = fingerprint[:4] if fingerprint[0] != "symlink" else fingerprint
    return f"{file.path} ({' '.join(what)})"


def packed(service: str, files: Sequence[ManagedFile], checks: Checks) -> bytes:
    """Return the set as the tar file that the agent reads (`set apply`)."""
    entries = []
    blobs = []
    for number, file in enumerate(files):
        entry = {
            "path": file.path,
            "kind": file.kind,
            "owner": file.owner,
            "group": file.group,
            "mode": file.mode,
        }
        if file.kind == "file":
            entry |= {"sha256": file.sha256, "blob": f"files/{number}"}
            blobs.append((f"files/{number}", file.content.encode()))
        if file.kind == "symlink":
            entry["target"] = file.target
        entries.append(entry | ({"secret": True} if file.secret else {}))
    described = {"service": service, "files": entries, **_asked(checks)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in [("set.json", json.dumps(described, indent=1).encode()), *blobs]:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _asked(checks: Checks) -> dict[str, Any]:
    return {
        "check": list(checks.check) if checks.check else None,
        "check_tree": list(checks.check_tree) if checks.check_tree else None,
        "load": list(checks.load) if checks.load else None,
        "loaded": list(checks.loaded) if checks.loaded else None,
        "loaded_within": checks.loaded_within,
        "load_seconds": checks.load_seconds,
    }


def applied(service: str, files: Sequence[ManagedFile], checks: Checks) -> Iterator[Any]:
    """Yield the commands that put a set in place."""
    path = f"{INCOMING}/{service}-{re.sub('[^a-z0-9]+', '-', report.step())}.tar"
    yield FileUploadCommand(io.BytesIO(packed(service, files, checks)), path)
    yield StringCommand(agent("set", "apply", path), _timeout=2 * (checks.load_seconds + PATIENCE))


def agent(*words: str) -> str:
    """Return the command line of the host's agent."""
    return " ".join(("python3", "-I", agent_path(), *words))


@cache
def agent_path() -> str:
    """Return where the agent of this release is on a host."""
    return _agent.build()[1]


@operation
def managed_set(
    service: str,
    files: Sequence[ManagedFile],
    checks: Checks = UNCHECKED,
    loaded: Callable[[], bool] | None = None,
    before: Callable[[], bool] | None = None,
) -> Iterator[Any]:
    """Bring all files of a service to what they must be, or none of them.

    + service: whose files they are; previous copies are kept under this name
    + files: every file of the set, unchanged ones too (the checker sees the whole)
    + checks: the daemon's own checker and loader
    + loaded: says whether the daemon holds the files; where it does not, they are loaded again
    + before: called before the files are put in place; raises when they must not be
    """
    changes = differing(files)
    if changes:
        shown = [difference(file, stands) for file, stands in changes]
        report.plan(None, "change", "\n".join([*shown, *_unseen(files)]))
        if before is not None:
            yield FunctionCommand(before, (), {})
        yield from applied(service, files, checks)
    elif loaded is not None and checks.load and not loaded():
        report.plan(None, "change", f"{service} does not hold its files: {' '.join(checks.load)}")
        yield StringCommand(" ".join(checks.load))
    else:
        report.plan(None, "none")
