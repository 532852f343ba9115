"""The twin's base images: in its registry when it is up, and like the official ones to who uses them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from control import places
from control.errors import TrunklineError
from inventories.model import Environment
from twin.images import baked_of, publish
from twin.images.publish import wanted
from twin.images.recipes import Recipe
from twin.twin import Twin

TWIN = "web"


@pytest.fixture(scope="module")
def baked(twin: Twin, lab: Environment) -> dict[str, tuple[Recipe, Path]]:
    """The images that the lab names, as they were baked for the twin."""
    made = {}
    for recipe in wanted(lab):
        found = (places.cache() / "images/containers").glob(f"{recipe.name}-{recipe.digest()}*")
        made[str(recipe)] = (recipe, max(found))
    return made


@pytest.fixture(scope="module", params=["python:3.13-slim", "redis:7-alpine"])
def root(
    request: pytest.FixtureRequest,
    baked: dict[str, tuple[Recipe, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Path]]:
    """An image's name and its files."""
    directory = tmp_path_factory.mktemp("root")
    archive = baked[request.param][1] / "layer.tar.gz"
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(directory)], check=True)
    yield request.param, directory
    subprocess.run(["rm", "-rf", str(directory)], check=True)


def inside(root: Path, script: str) -> str:
    """Run a script with the image's files as its root."""
    argv = ["chroot", str(root), "/bin/sh", "-ec", script]
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


INSTALLED = "import importlib.metadata as m; print(*{d.name for d in m.distributions()})"
ZONE = "import ssl, sqlite3, zoneinfo; print(zoneinfo.ZoneInfo('Europe/Berlin'))"
CLAIMS = {
    "python:3.13-slim": {
        "python --version | cut -d. -f1,2": "Python 3.13",
        f'python -c "{INSTALLED}"': "pip",
        f'python3 -c "{ZONE}"': "Europe/Berlin",
        "find /usr/lib/python3* -name EXTERNALLY-MANAGED": "",
        "ls -A /mnt": "",
    },
    "redis:7-alpine": {
        "cd /data && said=$(docker-entrypoint.sh --version) && echo $said | cut -c1-15": "Redis server v=",
        "docker-entrypoint.sh redis-cli --version | cut -d' ' -f2 | cut -c1-2": "7.",
        "stat -c %U /data": "redis",
        "cd /data && touch x && said=$(docker-entrypoint.sh redis-server --version) && stat -c %U x": "redis",
        "docker-entrypoint.sh id -un": "root",
    },
}
"""What a script in the image prints."""


def test_a_base_image_is_what_a_dockerfile_expects_of_the_official_one(root: tuple[str, Path]) -> None:
    name, directory = root
    seen = {script: inside(directory, script) for script in CLAIMS[name]}
    assert seen == CLAIMS[name]


def test_what_the_environment_names_is_in_the_registry(
    twin: Twin, baked: dict[str, tuple[Recipe, Path]]
) -> None:
    for recipe, path in baked.values():
        address = f"https://{twin.registry.host}/v2/{recipe.repository}/manifests/{recipe.tags[0]}"
        kind = json.loads((path / "manifest.json").read_text())["mediaType"]
        argv = twin.registry.argv("curl", "-sSf", "--cacert", str(twin.registry.ca))
        done = subprocess.run([*argv, "-H", f"Accept: {kind}", address], capture_output=True, timeout=30)
        assert done.stdout == (path / "manifest.json").read_bytes(), done.stderr


def test_publishing_again_bakes_and_pushes_nothing(
    twin: Twin, lab: Environment, baked: dict[str, tuple[Recipe, Path]]
) -> None:
    said: list[str] = []
    began = time.monotonic()
    publish(dict(baked.values()), twin.registry, said.append)
    assert said == []
    assert time.monotonic() - began < 20


def test_an_image_without_a_recipe_is_refused_before_anything_is_baked(lab: Environment) -> None:
    from tests.test_control_images import with_images

    with pytest.raises(TrunklineError, match="wants the image postgres:16, and a twin has no recipe for it"):
        baked_of(with_images(lab, {"redis": "postgres:16"}), None, 0, pytest.fail)  # type: ignore[arg-type]
