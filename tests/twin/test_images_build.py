"""Images are built for real in the twin's network, from the base images of its registry."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from control import buildah, images
from control.errors import TrunklineError
from control.image_archive import layers
from control.images import BuiltImage, image_of
from inventories.model import Build, Environment
from twin.twin import Twin

TWIN = "web"
APP = Build(context="app")
DOCKERFILE = """\
FROM python:3.13-slim AS base
ARG WORD=one
COPY data /data
RUN echo "$WORD" > /word && python --version > /python && command -v pip > /pip
USER 1000
"""


@pytest.fixture(scope="module")
def place(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with one thing to build, and a cache of its own: not the twin's, which is up before."""
    top = tmp_path_factory.mktemp("repository")
    (top / "app/data").mkdir(parents=True)
    (top / "app/Dockerfile").write_text(DOCKERFILE)
    (top / "app/data/file").write_text("1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "ROOT", top)
        patch.setenv("TRUNKLINE_CACHE", str(top / "cache"))
        yield top


@pytest.fixture
def said() -> list[str]:
    """What the builder told while it worked."""
    return []


@pytest.fixture
def built(place: Path, twin: Twin, lab: Environment, said: list[str]) -> BuiltImage:
    """The image, from the cache where it was built before."""
    return image_of(APP, lab, twin.name, said.append)


def test_an_archive_holds_the_image_whose_id_is_told(built: BuiltImage) -> None:
    with tarfile.open(built.archive) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
    assert f"sha256:{manifest['Config'].removesuffix('.json')}" == built.id
    assert [tag.removeprefix("docker.io/") for tag in manifest["RepoTags"]] == [built.tag]
    assert built.tag.startswith("trunkline/app:")


def test_the_same_inputs_are_not_built_again(
    built: BuiltImage, place: Path, twin: Twin, lab: Environment
) -> None:
    told: list[str] = []
    assert image_of(APP, lab, twin.name, told.append) == built
    assert told == []


def test_a_new_version_has_the_layers_of_the_old_one_below_it(
    built: BuiltImage, twin: Twin, lab: Environment, said: list[str]
) -> None:
    other = image_of(Build(context="app", args={"WORD": "two"}), lab, twin.name, said.append)
    old, new = layers(built.archive), layers(other.archive)
    assert old[:-1] == new[: len(old) - 1]
    assert other.id != built.id
    assert any("step 1 of 5: FROM python:3.13-slim" in line for line in said)


def test_two_who_want_the_same_image_get_the_same_build(place: Path, twin: Twin, lab: Environment) -> None:
    build = Build(context="app", args={"WORD": "both"})
    found: list[BuiltImage] = []
    steps: list[str] = []

    def want() -> None:
        found.append(image_of(build, lab, twin.name, steps.append))

    both = [threading.Thread(target=want) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert len([step for step in steps if "step 1 of" in step]) == 1


def test_a_step_that_fails_is_named_with_its_last_lines(place: Path, twin: Twin, lab: Environment) -> None:
    (place / "app/Dockerfile.bad").write_text("FROM python:3.13-slim\nRUN echo so far && cat /nowhere\n")
    with pytest.raises(TrunklineError) as caught:
        image_of(Build(context="app", dockerfile="Dockerfile.bad"), lab, twin.name, print)
    assert "could not be built; step 2 of 2: RUN echo so far && cat /nowhere failed:" in caught.value.message
    assert "so far" in caught.value.message
    assert "/nowhere: No such file" in caught.value.message


def test_a_base_that_the_registry_lacks_is_named(place: Path, twin: Twin, lab: Environment) -> None:
    (place / "app/Dockerfile.far").write_text("FROM nosuch:1\n")
    with pytest.raises(TrunklineError, match="The image nosuch:1 could not be pulled"):
        image_of(Build(context="app", dockerfile="Dockerfile.far"), lab, twin.name, print)


def test_where_overlay_cannot_be_mounted_a_build_is_only_slower(
    place: Path, twin: Twin, lab: Environment, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(buildah, "_driver", lambda _: "vfs")
    image = image_of(Build(context="app", args={"WORD": "vfs"}), lab, twin.name, said.append)
    assert len(layers(image.archive)) == 2


def test_a_build_reaches_packages_by_the_twin_and_nothing_of_the_way_stays(
    place: Path, twin: Twin, lab: Environment
) -> None:
    text = (
        "FROM python:3.13-slim\nRUN pip install --no-cache-dir --target /six six==1.17.0 && rm /six/bin -rf\n"
    )
    (place / "app/Dockerfile.pip").write_text(text)
    image = image_of(Build(context="app", dockerfile="Dockerfile.pip"), lab, twin.name, print)
    found = unpacked(image, place / "unpacked")
    assert (found / "six/six.py").is_file()
    assert (found / "etc/pip.conf").read_bytes() == b""
    assert not any((found / "mnt").iterdir() if (found / "mnt").exists() else ())


def unpacked(image: BuiltImage, target: Path) -> Path:
    """Lay an image's last layer out below a directory."""
    with tarfile.open(image.archive) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        layer = archive.extractfile(manifest["Layers"][-1]) or pytest.fail("no layer")
        target.mkdir()
        subprocess.run(["tar", "-xzf", "-", "-C", str(target)], input=layer.read(), check=True)
    return target


def test_an_image_that_nobody_wanted_for_long_is_forgotten_with_the_next_build(
    place: Path, twin: Twin, lab: Environment
) -> None:
    old = image_of(Build(context="app", args={"WORD": "old"}), lab, twin.name, print)
    os.utime(old.archive.parent, (1, 1))
    image_of(Build(context="app", args={"WORD": "new"}), lab, twin.name, print)
    assert not old.archive.exists()
    storage = (place / "cache/builds/twin/storage").rglob("*-images/*")
    assert old.id.removeprefix("sha256:") not in {each.name for each in storage}


def test_the_machine_s_own_storage_of_images_is_left_alone(built: BuiltImage, place: Path) -> None:
    own = Path("/var/lib/containers/storage")
    newest = max((each.stat().st_mtime for each in own.rglob("*")), default=0) if own.exists() else 0
    assert newest < (place / "app/Dockerfile").stat().st_mtime


def test_nothing_that_was_mounted_for_a_build_stays_mounted(built: BuiltImage, place: Path) -> None:
    assert str(place) not in Path("/proc/mounts").read_text()
    assert os.path.isdir(place / "cache/builds/twin/images")
