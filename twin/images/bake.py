"""Bakes a base image: one layer of Debian packages, with the configuration that makes it an image.

It is kept as a registry takes it: `layer.tar.gz`, `config.json`, `manifest.json` (Docker's schema 2).
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control import places
from control.errors import TrunklineError
from twin.archive import KEYRING, Archive, Suite, apt_settings
from twin.image import MORTAL, WEEK
from twin.images.recipes import Recipe
from twin.provider import image_files

Progress = Callable[[str], None]
UNWANTED = ("doc/*", "groff/*", "info/*", "linda/*", "lintian/*", "locale/*", "man/*")
"""Below /usr/share: what the official images leave out as well, but for the copyright files."""
EPOCH = 1_700_000_000
"""The time of every file that is newer: the same packages make the same layer, and so the same digest."""
TYPES = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def baked(recipe: Recipe, archive: Archive, proxy_port: int, progress: Progress) -> Path:
    """Return the directory of an image; bake it when there is none, or none of this week."""
    suites, apt = archive.suites(recipe.of_release), apt_settings()
    directory = places.cache() / "images" / "containers"
    directory.mkdir(parents=True, exist_ok=True)
    made = hashlib.sha256(repr((UNWANTED, EPOCH, _apt(suites, apt))).encode()).hexdigest()[:4]
    name = f"{recipe.name}-{recipe.digest()}{made}"
    with (directory / f"{recipe.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if fresh := [path for path in directory.glob(f"{name}-*") if _age(path) < WEEK]:
            return max(fresh)
        progress(f"baking the image {recipe}")
        path = directory / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        _bake(path, recipe, suites, apt, proxy_port)
        for old in directory.glob(f"{recipe.name}-*"):
            if _age(old) > WEEK:
                shutil.rmtree(old, ignore_errors=True)
    return path


def _age(image: Path) -> float:
    """Return how many seconds ago an image was made; one that is not whole is as old as time."""
    manifest = image / "manifest.json"
    return time.time() - (manifest.stat().st_mtime if manifest.is_file() else 0)


def _apt(suites: tuple[Suite, ...], apt: dict[str, str]) -> dict[str, str]:
    """Return apt's files as hosts have them: a build may install packages, by the twin's proxy."""
    return {name: text for name, text in image_files(suites, apt).items() if name.startswith("/etc/apt/")}


def _bake(path: Path, recipe: Recipe, suites: tuple[Suite, ...], apt: dict[str, str], port: int) -> None:
    baking = path.with_name(f".{path.name}")
    shutil.rmtree(baking, ignore_errors=True)
    files = {name: (0o644, text) for name, text in _apt(suites, apt).items()} | recipe.files
    for number, (_, text) in enumerate(files.values()):
        file = baking / "files" / str(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    tar = baking / "layer.tar"
    puts = [
        f'install -D -m {mode:o} "{baking}/files/{number}" "$1{name}"'
        for number, (name, (mode, _)) in enumerate(files.items())
    ]
    hooks = [*puts, *([f"chroot \"$1\" sh -ec '{recipe.script}'"] if recipe.script else [])]
    _mmdebstrap(tar, recipe, suites, apt | {"Acquire::http::Proxy": f"http://127.0.0.1:{port}"}, hooks)
    _pack(baking, tar, recipe)
    tar.unlink()
    shutil.rmtree(baking / "files")
    baking.rename(path)


def _mmdebstrap(
    tar: Path, recipe: Recipe, suites: tuple[Suite, ...], apt: dict[str, str], hooks: list[str]
) -> None:
    options = {"Acquire::Languages": "none"} | apt
    argv = [
        *MORTAL,
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=tar", "--skip=output/dev"),
        *(f'--aptopt={name} "{value}"' for name, value in options.items()),
        *(f"--dpkgopt=path-exclude=/usr/share/{name}" for name in UNWANTED),
        *("--dpkgopt=path-include=/usr/share/doc/*/copyright", "--dpkgopt=force-unsafe-io"),
        *(f"--customize-hook={hook}" for hook in hooks),
        *(f"--keyring={KEYRING}", *((f"--include={','.join(recipe.packages)}",) if recipe.packages else ())),
        *(recipe.of_release.codename, str(tar), *(suite.source for suite in suites)),
    ]
    env = {**os.environ, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(EPOCH)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env)
    if done.returncode:
        said = done.stderr.splitlines()
        lines = [line for line in said if line.startswith("E:")] or said
        raise TrunklineError(
            f"The image {recipe} could not be baked: {' '.join(lines[-3:])[:500]}",
            "Check that `apt-get update` works here, then try again.",
        )


def _pack(directory: Path, tar: Path, recipe: Recipe) -> None:
    """Write layer, configuration and manifest."""
    layer = directory / "layer.tar.gz"
    whole = hashlib.sha256()
    with (
        tar.open("rb") as source,
        layer.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
    ):
        while block := source.read(1 << 20):
            whole.update(block)
            packed.write(block)
    created = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "created": created,
        "config": recipe.config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{whole.hexdigest()}"]},
        "history": [{"created": created, "created_by": f"mmdebstrap {recipe.of_release.codename}"}],
    }
    (directory / "config.json").write_text(json.dumps(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": TYPES["manifest"],
        "config": _described("config", directory / "config.json"),
        "layers": [_described("layer", layer)],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))


def _architecture() -> str:
    return subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()


def _described(kind: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"mediaType": TYPES[kind], "size": path.stat().st_size, "digest": f"sha256:{digest}"}
