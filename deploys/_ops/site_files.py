"""A site's files: a directory of this repository, shipped whole and switched by renaming a link."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra import context
from pyinfra.api.command import FileUploadCommand, StringCommand

from control.errors import TrunklineError
from deploys._engine import report
from deploys._ops import manifest
from deploys._ops.facts.web import Served
from deploys._ops.files import INCOMING
from deploys._ops.manifest import Resource
from deploys._ops.operation import operation
from deploys._ops.script import command, text

TOP = Path(__file__).resolve().parent.parent.parent
SITES = "/srv/trunkline/sites"
KEPT = 3
"""Releases that stay on the host, the present one among them."""
ASK = text("nginx_config")
"""The program that asks nginx which configuration it runs with."""


def directory_of(site: str) -> str:
    """Return where a site's releases are on its host."""
    return f"{SITES}/{site}"


def live() -> dict[str, Any]:
    """Return what the present host serves: the digest of nginx's configuration, and the releases by site."""
    found: dict[str, Any] = context.host.get_fact(Served)
    return found


def config() -> str | None:
    """Return the digest of the configuration that nginx runs with; None when it does not say."""
    found: str | None = live()["config"]
    return found


@cache
def collected(directory: str) -> dict[str, bytes]:
    """Return every file below a directory of the repository by its path there; hidden ones stay at home.

    Raises TrunklineError when there is no index.html, or a link leads out of the directory.
    """
    top = (TOP / directory).resolve()
    if not (top / "index.html").is_file():
        raise TrunklineError(
            f"{directory} has no index.html: it is no site.",
            "Build the site, or correct `files` in the inventory.",
        )
    found = {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top)
        if not path.is_file() or any(part.startswith(".") for part in name.parts if part != ".well-known"):
            continue
        if not path.resolve().is_relative_to(top):
            raise TrunklineError(
                f"{directory}/{name} leads out of {directory}.", "Put the file itself there."
            )
        found[name.as_posix()] = path.read_bytes()
    return found


def digest(files: dict[str, bytes]) -> str:
    """Return the name of a release: a digest of its files' names and contents."""
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]


def packed(files: dict[str, bytes]) -> bytes:
    """Return the files as a tar, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@operation
def shipped(site: str, directory: str) -> Iterator[Any]:
    """Serve exactly these files; a page that was loaded before still finds the assets it asks for."""
    files = collected(directory)
    wanted = digest(files)
    seen = live()["sites"].get(site, {})
    present, whole = seen.get("current"), wanted in seen.get("releases", ())
    if present == wanted and whole:
        report.plan(None, "none")
        return
    size = sum(map(len, files.values())) // 1024
    before = f"{present}, changed by hand" if present == wanted else present or "nothing"
    report.plan(None, "change", f"{before} -> {wanted}: {len(files)} files, {size} KiB")
    upload = f"{INCOMING}/site-{site}-{wanted}.tar"
    if not whole:
        yield FileUploadCommand(io.BytesIO(packed(files)), upload)
    yield StringCommand(command("site_files", directory_of(site), wanted, upload, str(KEPT)))


@operation
def removed(declared: list[Resource]) -> Iterator[str]:
    """Take the files of sites away that are no longer declared; their certificates stay."""
    gone = [name for name in manifest.gone(declared, "site") if name in live()["sites"]]
    report.plan(None, "change" if gone else "none", "\n".join(f"- {directory_of(name)}" for name in gone))
    for name in gone:
        yield f"rm -rf {directory_of(name)}"
