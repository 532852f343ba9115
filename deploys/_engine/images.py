"""Images that the controller has built, as the parent hands them over: declared build -> what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control.errors import TrunklineError
from inventories.model import Build


@dataclass(frozen=True)
class Built:
    """One image: its id (`sha256:...`), our tag, and the archive that `docker load` takes."""

    id: str
    tag: str
    archive: str


_built: dict[str, Built] = {}


def key_of(build: Build) -> str:
    """Return what a declared build is known by on both sides of the wire."""
    return build.model_dump_json()


def load(values: Mapping[str, Mapping[str, str]]) -> None:
    """Hold these images from now on, and only these."""
    _built.clear()
    _built.update({key: Built(**value) for key, value in values.items()})


def built(build: Build) -> Built:
    """Return the image of a declared build; raises TrunklineError where nobody has built it."""
    found = _built.get(key_of(build))
    if found is None:
        raise TrunklineError(
            f"The image of {build.context} was not built.", "`invoke deploy` builds it before it plans."
        )
    return found
