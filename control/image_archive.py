"""Archives that `docker load` takes (Docker image specification 1.2, combined image JSON and layer tars)."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

MANIFEST = "manifest.json"


def pack(plain: Path, packed: Path, kept: Path) -> None:
    """Write an archive again with each layer compressed, and without what only old engines read.

    `kept` is a directory of compressed layers: what an earlier image had is not compressed again.
    """
    kept.mkdir(exist_ok=True)
    with tarfile.open(plain) as source, tarfile.open(packed, "w") as target:
        manifest = _manifest(source)
        for name in (MANIFEST, manifest["Config"]):
            member = source.getmember(name)
            target.addfile(member, source.extractfile(member))
        for layer in dict.fromkeys(manifest["Layers"]):
            small = kept / layer
            if not small.exists():
                content = source.extractfile(layer)
                assert content is not None
                _compress(content, small)
            target.add(small, layer, filter=_plain)
            os.utime(small)


def reduce(archive: Path, reduced: Path, known: Iterable[Sequence[str]]) -> bool:
    """Write an archive again without the layers that a host has; say whether there were such.

    `known` are the layers of each image that it has (`docker image inspect`, RootFS.Layers): `docker load`
    does not look at a layer that it has upon the same ones (its chain id).
    """
    with tarfile.open(archive) as source:
        manifest = _manifest(source)
        config = source.extractfile(manifest["Config"])
        assert config is not None
        mine: list[str] = json.load(config)["rootfs"]["diff_ids"]
        shared = max((_common(mine, its) for its in known), default=0)
        if not shared:
            return False
        dropped = set(manifest["Layers"][:shared]) - set(manifest["Layers"][shared:])
        with tarfile.open(reduced, "w") as target:
            for member in source:
                if member.name not in dropped:
                    target.addfile(member, source.extractfile(member))
    return True


def layers(archive: Path) -> list[str]:
    """Return the digests of the layers of an archive's image, the lowest first."""
    with tarfile.open(archive) as source:
        config = source.extractfile(_manifest(source)["Config"])
        assert config is not None
        found: list[str] = json.load(config)["rootfs"]["diff_ids"]
        return found


def _manifest(source: tarfile.TarFile) -> dict[str, Any]:
    file = source.extractfile(MANIFEST)
    assert file is not None
    (only,) = json.load(file)
    found: dict[str, Any] = only
    return found


def _common(mine: Sequence[str], its: Sequence[str]) -> int:
    """Return how many layers two images share from the lowest on."""
    for number, (one, other) in enumerate(zip(mine, its, strict=False)):
        if one != other:
            return number
    return min(len(mine), len(its))


def _compress(content: IO[bytes], path: Path) -> None:
    unfinished = path.with_name(f".{path.name}")
    with gzip.open(unfinished, "wb", compresslevel=1) as into:
        shutil.copyfileobj(content, into, 1 << 20)
    unfinished.rename(path)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made the file here, and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
