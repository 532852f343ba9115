"""What an image is made from, what counts as the same, and the archives that hosts load."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from control import images
from control.buildah import Buildah
from control.errors import TrunklineError
from control.image_archive import layers, pack, reduce
from control.images import inputs_of
from inventories.model import Build, Environment, load
from twin.images.publish import wanted
from twin.images.reference import Reference, bases

Context = Path


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A directory that is built from, in a repository of its own."""
    monkeypatch.setattr(images, "ROOT", tmp_path)
    directory = tmp_path / "app"
    (directory / "src").mkdir(parents=True)
    (directory / "Dockerfile").write_text("FROM python:3.13-slim\nCOPY src src\n")
    (directory / "src/main.py").write_text("print(1)\n")
    return directory


APP = Build(context="app")


def test_the_same_files_are_the_same_inputs_whenever_they_were_written(context: Context) -> None:
    before = inputs_of(APP)
    os.utime(context / "src/main.py", (1, 1))
    assert inputs_of(APP) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda c: (c / "src/main.py").write_text("print(2)\n"),
        lambda c: (c / "src/main.py").chmod(0o755),
        lambda c: (c / "src/main.py").rename(c / "src/other.py"),
        lambda c: (c / "src/more.py").write_text(""),
        lambda c: (c / "src/link").symlink_to("main.py"),
        lambda c: (c / "src/link").symlink_to("."),
        lambda c: (c / "Dockerfile").write_text("FROM python:3.13-slim\n"),
    ],
)
def test_any_change_of_what_a_build_sees_makes_other_inputs(context: Context, change: object) -> None:
    before = inputs_of(APP)
    assert callable(change)
    change(context)
    assert inputs_of(APP) != before


def test_other_args_make_other_inputs(context: Context) -> None:
    assert inputs_of(APP) != inputs_of(Build(context="app", args={"VERSION": "2"}))


@pytest.mark.parametrize("pattern", ["site", "/site/", "s*e", "**/app.css", "site/app.css"])
def test_what_dockerignore_leaves_out_makes_no_difference(context: Context, pattern: str) -> None:
    (context / ".dockerignore").write_text(f"# not for the image\n{pattern}\n")
    (context / "site").mkdir()
    (context / "site/app.css").write_text("")
    before = inputs_of(APP)
    (context / "site/app.css").write_text("b {}")
    assert inputs_of(APP) == before
    (context / "src/main.py").write_text("")
    assert inputs_of(APP) != before


def test_where_dockerignore_makes_exceptions_everything_counts(context: Context) -> None:
    (context / ".dockerignore").write_text("*\n!src\n")
    before = inputs_of(APP)
    (context / "src/main.py").write_text("")
    assert inputs_of(APP) != before


def test_a_build_without_its_dockerfile_is_refused(context: Context) -> None:
    with pytest.raises(TrunklineError, match=r"app has no Dockerfile\.dev"):
        inputs_of(Build(context="app", dockerfile="Dockerfile.dev"))


def test_a_machine_without_buildah_is_told_which_package_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TrunklineError, match="buildah is not installed") as caught:
        Buildah(tmp_path)
    assert caught.value.remedy == "apt-get install --no-install-recommends buildah"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("redis:7-alpine", ("", "library/redis", "7-alpine")),
        ("redis", ("", "library/redis", "latest")),
        ("acme/app:1", ("", "acme/app", "1")),
        ("ghcr.example/acme/app:1", ("ghcr.example", "acme/app", "1")),
        ("localhost:5000/app@sha256:abc", ("localhost:5000", "app", "sha256:abc")),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, seen: tuple[str, str, str]) -> None:
    assert Reference.of(text) == seen


def test_the_bases_of_a_dockerfile_are_those_that_a_registry_gives() -> None:
    text = """
        ARG BASE=debian:12
        FROM --platform=linux/amd64 node:22 AS pages
        FROM ${BASE} as runtime
        COPY --from=pages /out /out
        COPY --from=ghcr.example/uv:1 /uv /uv
        COPY --from=0 /x /x
        FROM scratch
        FROM runtime
    """
    assert bases(text, {"BASE": "python:3.13-slim"}) == ("node:22", "python:3.13-slim", "ghcr.example/uv:1")
    assert bases("ARG V\nFROM redis:${V:-7}\nFROM $V", {}) == ("redis:7",)


def test_the_lab_names_images_that_the_twin_has_recipes_for() -> None:
    assert {str(recipe) for recipe in wanted(load("lab"))} == {"redis:7-alpine", "python:3.13-slim"}


def test_every_image_that_no_recipe_makes_is_named_with_what_wants_it() -> None:
    lab = load("lab")
    with pytest.raises(TrunklineError) as caught:
        wanted(with_images(lab, {"redis": "postgres:16", "beat": "mongo:8"}))
    said = str(caught.value)
    assert "web1: shop/redis wants the image postgres:16, and a twin has no recipe for it." in said
    assert "shop/beat wants the image mongo:8" in said
    assert "It can make debian:13-slim, python:3.13-slim, redis:7-alpine" in said


def with_images(lab: Environment, changed: dict[str, str]) -> Environment:
    """Return the lab with other images for some of its services."""
    host = lab.host("web1")
    assert host.compose
    (stack,) = host.compose.stacks
    services = tuple(
        each.model_copy(update={"image": changed.get(each.name, each.image)}) for each in stack.services
    )
    stacks = (stack.model_copy(update={"services": services}),)
    other = host.model_copy(update={"compose": host.compose.model_copy(update={"stacks": stacks})})
    return lab.model_copy(update={"hosts": (other,)})


def archive_of(path: Path, *contents: bytes) -> Path:
    """Write an archive as buildah does: a layer for each content, and links that only old engines read."""
    names = [hashlib.sha256(content).hexdigest() for content in contents]
    config = json.dumps({"rootfs": {"diff_ids": [f"sha256:{name}" for name in names]}}).encode()
    manifest = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": [f"{name}.tar" for name in names]}]
    files = {f"{name}.tar": content for name, content in zip(names, contents, strict=True)}
    with tarfile.open(path, "w") as target:
        for name, content in {
            **files,
            "c.json": config,
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("old/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, f"../{names[0]}.tar"
        target.addfile(link)
    return path


def test_a_packed_archive_is_smaller_and_has_the_same_layers(tmp_path: Path) -> None:
    plain = archive_of(tmp_path / "plain", b"a" * 100_000, b"b" * 10)
    packed = tmp_path / "packed"
    pack(plain, packed, tmp_path / "kept")
    assert layers(packed) == layers(plain)
    assert packed.stat().st_size < plain.stat().st_size / 2
    with tarfile.open(packed) as seen:
        assert sorted(seen.getnames()) == sorted(
            ["c.json", "manifest.json", *(f"{name.removeprefix('sha256:')}.tar" for name in layers(plain))]
        )


def test_the_same_image_is_packed_to_the_same_bytes(tmp_path: Path) -> None:
    plain = archive_of(tmp_path / "plain", b"a", b"b")
    for name in ("one", "two"):
        pack(plain, tmp_path / name, tmp_path / "kept")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ((b"a", b"b"), {b"c"}),
        ((b"a", b"x", b"c"), {b"b", b"c"}),
        ((b"a", b"b", b"c", b"d"), set()),
    ],
)
def test_only_layers_that_the_host_has_upon_the_same_ones_are_left_out(
    tmp_path: Path, known: tuple[bytes, ...], left: set[bytes]
) -> None:
    mine = archive_of(tmp_path / "mine", b"a", b"b", b"c")
    its = layers(archive_of(tmp_path / "its", *known))
    assert reduce(mine, tmp_path / "reduced", [[], its])
    with tarfile.open(tmp_path / "reduced") as seen:
        names = {name for name in seen.getnames() if name.endswith(".tar") and "/" not in name}
    assert names == {f"{hashlib.sha256(content).hexdigest()}.tar" for content in left}


def test_an_archive_of_which_the_host_has_nothing_is_not_reduced(tmp_path: Path) -> None:
    mine = archive_of(tmp_path / "mine", b"a", b"b")
    assert not reduce(mine, tmp_path / "reduced", [["sha256:0"], []])
