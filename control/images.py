"""Images from declared builds: made once on the controller, kept as archives that `docker load` takes.

The same inputs give the same image for as long as it is kept: a base that moves in its registry is taken on
with the next build that is needed anyway, not by a deploy that changes nothing.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from control import places
from control.atomic import alone, write_public
from control.buildah import Buildah
from control.errors import TrunklineError
from control.image_archive import pack
from inventories.model import Build, Environment
from twin.authority import Authority
from twin.enter import enter_argv
from twin.image import MORTAL
from twin.images.pip import volumes
from twin.images.reference import bases
from twin.layout import CONTROLLER

Progress = Callable[[str], None]
ROOT = Path(__file__).resolve().parent.parent
FORMAT = "2"
DAYS = 60
"""An image that no deploy wanted for so long is forgotten; its host has it still."""


@dataclass(frozen=True)
class BuiltImage:
    """An image on the controller: its id (`sha256:...`), our tag for it, and the archive to load it from."""

    id: str
    tag: str
    archive: Path


def image_of(build: Build, environment: Environment, instance: str, progress: Progress) -> BuiltImage:
    """Return the image of a build; build it, in the controller's network, when there is none.

    TrunklineError names what is missing, or the step that failed with its last lines.
    """
    kind = "twin" if environment.in_twin else "real"
    directory = places.cache() / "builds" / kind
    inputs = inputs_of(build)
    if kept := _kept(directory, inputs):
        return kept
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    progress("waiting until no other image is built")
    with alone(directory):
        if kept := _kept(directory, inputs):
            return kept
        return _made(build, environment, instance, directory, inputs, progress)


def inputs_of(build: Build) -> str:
    """Return the SHA-256 of what an image is made from: files with names and modes, Dockerfile, args."""
    context, dockerfile = _places(build)
    whole = hashlib.sha256(FORMAT.encode())
    for path in [dockerfile, *_files(context, dockerfile)]:
        whole.update(f"\0{path.relative_to(ROOT)}\0{path.lstat().st_mode & 0o777:o}\0".encode())
        whole.update(os.readlink(path).encode() if path.is_symlink() else _digest(path))
    whole.update(json.dumps(sorted(build.args.items())).encode())
    return whole.hexdigest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _places(build: Build) -> tuple[Path, Path]:
    context = ROOT / build.context
    dockerfile = context / build.dockerfile
    if not dockerfile.is_file():
        raise TrunklineError(
            f"The build of {build.context} has no {build.dockerfile} there.",
            "Correct `context` or `dockerfile` in the inventory, or write the file.",
        )
    return context, dockerfile


def _files(context: Path, dockerfile: Path) -> Iterator[Path]:
    """Yield the files that a build can see, in order; what .dockerignore leaves out is not looked at."""
    ignored = _ignored(context, dockerfile)
    for parent, directories, names in os.walk(context):
        at = Path(parent)
        directories[:] = sorted(d for d in directories if not ignored(at / d))
        yield from (at / name for name in sorted(names) if not ignored(at / name))
        yield from (at / name for name in directories if (at / name).is_symlink())


def _ignored(context: Path, dockerfile: Path) -> Callable[[Path], bool]:
    """Return who says whether .dockerignore leaves a path out.

    Where it makes exceptions (`!`) nothing counts as left out: a build too many, never one too few.
    """
    beside = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    file = beside if beside.is_file() else context / ".dockerignore"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    patterns = [p.strip().strip("/") for p in lines if p.strip() and not p.lstrip().startswith("#")]
    if any(pattern.startswith("!") for pattern in patterns):
        return lambda path: False
    return lambda path: any(_matches(path.relative_to(context), pattern) for pattern in patterns)


def _matches(path: Path, pattern: str) -> bool:
    """Say whether a pattern (Dockerfile reference, .dockerignore) names this path itself."""
    if pattern.startswith("**/") and "/" not in pattern[3:]:
        return fnmatch.fnmatchcase(path.name, pattern[3:])
    parts, wanted = path.parts, Path(pattern).parts
    same = len(parts) == len(wanted) and "**" not in wanted
    return same and all(map(fnmatch.fnmatchcase, parts, wanted))


def _kept(directory: Path, inputs: str) -> BuiltImage | None:
    try:
        key = (directory / "inputs" / inputs).read_text()
        record = json.loads((directory / "images" / key / "image.json").read_text())
    except (OSError, ValueError):
        return None
    image = BuiltImage(record["id"], record["tag"], directory / "images" / key / "image.tar")
    if not image.archive.is_file():
        return None
    with suppress(OSError):
        os.utime(directory / "images" / key)
    return image


def _made(
    build: Build, environment: Environment, instance: str, directory: Path, inputs: str, progress: Progress
) -> BuiltImage:
    context, dockerfile = _places(build)
    buildah = _buildah(environment, instance, directory)
    _forget_old(directory, buildah)
    found = []
    for reference in bases(dockerfile.read_text(encoding="utf-8"), build.args):
        progress(f"pulling {reference}")
        found.append(buildah.pull(reference))
    key = hashlib.sha256("\n".join([inputs, *found]).encode()).hexdigest()
    tag = f"trunkline/{Path(build.context).name}:{key[:12]}"
    mounted = volumes(instance) if environment.in_twin else {}
    identity = buildah.build(context, dockerfile, build.args, mounted, progress)
    place = directory / "images" / key
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    progress(f"writing the image of {context.name}")
    image = BuiltImage(identity, tag, place / "image.tar")
    plain = place / "plain.tar"
    buildah.archive(identity, tag, plain)
    pack(plain, image.archive, directory / "layers")
    plain.unlink()
    record = {name: str(value) for name, value in asdict(image).items()}
    write_public(place / "image.json", json.dumps(record).encode())
    write_public(directory / "inputs" / inputs, key.encode())
    return image


def _buildah(environment: Environment, instance: str, directory: Path) -> Buildah:
    """Return the builder; where the environment lives in a twin, in its network, trusting its authority."""
    if not environment.in_twin:
        return Buildah(directory / "storage", MORTAL)
    trust = {"SSL_CERT_FILE": str(Authority(instance).certificate)}
    return Buildah(directory / "storage", [*enter_argv(instance, CONTROLLER), *MORTAL], trust)


def _forget_old(directory: Path, buildah: Buildah) -> None:
    """Delete the images that nobody wanted for long, and what led to them."""
    for place in filter(_old, (directory / "images").glob("*")):
        with suppress(OSError, ValueError):
            buildah.forget(json.loads((place / "image.json").read_text())["id"])
        shutil.rmtree(place)
    for layer in filter(_old, (directory / "layers").glob("*")):
        layer.unlink()
    for pointer in (directory / "inputs").glob("*"):
        if not (directory / "images" / pointer.read_text()).is_dir():
            pointer.unlink()


def _old(path: Path) -> bool:
    return path.stat().st_mtime < time.time() - DAYS * 24 * 3600
