"""Fills a twin's registry with the images that its environment names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from control.errors import TrunklineError, raise_all
from inventories.model import Build, Environment
from twin.archive import Archive
from twin.images.bake import baked
from twin.images.recipes import RECIPES, Recipe, recipe_of
from twin.images.reference import Reference, bases

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 300
Progress = Callable[[str], None]


class Registry(Protocol):
    """A twin's registry, for who puts images into it."""

    @property
    def host(self) -> str:
        """The name to push under."""

    @property
    def ca(self) -> Path:
        """PEM of the authority that vouches for it."""

    def argv(self, *argv: str) -> list[str]:
        """Return the argv of a program that reaches it."""


def baked_of(
    environment: Environment, archive: Archive, proxy_port: int, progress: Progress
) -> dict[Recipe, Path]:
    """Return the directory of every image that the environment names, or builds upon; bake what is not yet.

    TrunklineError names each image that no recipe makes.
    """
    with ThreadPoolExecutor() as pool:
        recipes = wanted(environment)
        made = pool.map(lambda recipe: baked(recipe, archive, proxy_port, progress), recipes)
        return dict(zip(recipes, made, strict=True))


def publish(images: Mapping[Recipe, Path], registry: Registry, progress: Progress) -> None:
    """Put images into the registry where it lacks them."""
    if not images:
        return
    lines = [json.dumps([recipe.repository, recipe.tags, str(path)]) for recipe, path in images.items()]
    argv = registry.argv(sys.executable, "-m", "twin.images.push", registry.host, str(registry.ca))
    done = subprocess.run(
        argv, input="\n".join(lines), capture_output=True, text=True, cwd=ROOT, timeout=SECONDS
    )
    for name in done.stdout.splitlines():
        progress(f"pushed {name.removeprefix('library/')} into the twin's registry")
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise TrunklineError(
            f"The twin's registry does not take an image: {said[-1] if said else 'it says nothing'}.",
            "Read registry.log below the twin's run-time directory.",
        )


def wanted(environment: Environment) -> tuple[Recipe, ...]:
    """Return the recipes of all images that an environment names; TrunklineError where one is missing."""
    recipes: dict[str, Recipe] = {}
    problems: list[TrunklineError] = []
    for image, where in dict(named(environment)).items():
        recipe = recipe_of(Reference.of(image))
        if recipe is None:
            problems.append(
                TrunklineError(
                    f"{where} wants the image {image}, and a twin has no recipe for it.",
                    f"It can make {', '.join(map(str, RECIPES))}; add one to twin/images/recipes.py.",
                )
            )
        else:
            recipes[recipe.name] = recipe
    raise_all(problems)
    return tuple(recipes.values())


def named(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield each image that is pulled, by a host or as the base of a build, and what wants it."""
    for host in environment.hosts:
        for stack, container in host.compose.containers() if host.compose else ():
            where = f"{host.name}: {stack.name}/{container.name}"
            if isinstance(container.image, Build):
                file = ROOT / container.image.context / container.image.dockerfile
                text = file.read_text(encoding="utf-8") if file.is_file() else ""
                yield from ((image, f"{where} ({file.name})") for image in bases(text, container.image.args))
            else:
                yield container.image, where
