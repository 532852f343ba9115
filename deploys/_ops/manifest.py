"""The manifest: what we have put on a host, written before it is done and narrowed when it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pyinfra.api.command import StringCommand

from deploys._engine import report
from deploys._ops import live
from deploys._ops.files import agent
from deploys._ops.managed import ManagedFile
from deploys._ops.operation import operation

FORMAT = 1
Resource = dict[str, Any]


def resource(kind: str, name: str, service: str, **details: Any) -> Resource:
    """Return one entry of the manifest; its identity is kind and name."""
    return {"kind": kind, "name": name, "service": service, "remove": {}, **details}


def file_resource(file: ManagedFile) -> Resource:
    """Return the entry of a managed file, with what it must look like."""
    digest = file.sha256 if file.kind == "file" else None
    mode = None if file.kind == "symlink" else file.mode
    known = {"path": file.path, "mode": mode, "owner": file.owner, "group": file.group}
    return resource("file", file.path, file.service, sha256=digest, **known)


def stored() -> list[Resource]:
    """Return everything the host's manifest names, of a deploy that was interrupted as well."""
    manifest = live.system()["manifest"] or {}
    known = {_identity(r): r for r in manifest.get("resources") or []}
    known |= {_identity(r): r for r in manifest.get("intended") or []}
    return list(known.values())


def gone(declared: Sequence[Resource], kind: str) -> tuple[str, ...]:
    """Return the names of one kind that the manifest has and the declaration has not."""
    kept = {_identity(r) for r in declared}
    return tuple(r["name"] for r in stored() if r["kind"] == kind and _identity(r) not in kept)


def remembered(declared: Sequence[Resource]) -> list[Resource]:
    """Return the resources; a kernel setting with the value that stood before ours was first written down."""
    known = {_identity(r): r for r in stored() if r["kind"] == "sysctl"}

    def before(key: str) -> dict[str, Any]:
        if ("sysctl", key) in known:
            return dict(known["sysctl", key].get("remove") or {})
        return {"value": live.system()["sysctls"][key]["value"]}

    return [{**r, "remove": before(r["name"])} if r["kind"] == "sysctl" else r for r in declared]


def _identity(found: Resource) -> tuple[str, str]:
    return found["kind"], found["name"]


def _settled(declared: Sequence[Resource]) -> bool:
    manifest = live.system()["manifest"] or {}
    kept = {_identity(r): r for r in manifest.get("resources") or []}
    narrowed = manifest.get("intended") in (None, manifest.get("resources"))
    return narrowed and kept == {_identity(r): r for r in declared}


@operation
def intend(declared: Sequence[Resource]) -> Iterator[Any]:
    """Write down what is about to be there, before the first change."""
    if _settled(declared):
        report.plan(None, "none")
        return
    known = {_identity(r) for r in stored()}
    kept = {_identity(r) for r in declared}
    lines = [f"+ {kind} {name}" for kind, name in sorted(kept - known)]
    lines += [f"- {kind} {name}" for kind, name in sorted(known - kept)]
    report.plan(None, "change", "\n".join(lines))
    body = json.dumps({"format": FORMAT, "resources": list(declared)}, indent=1)
    yield StringCommand(agent("manifest", "intend"), _stdin=body)


@operation
def narrow() -> Iterator[Any]:
    """Forget what is no longer declared, now that it is gone; always used with `_if`."""
    yield StringCommand(agent("manifest", "narrow"))
