"""The world image: the programs that stand for what is outside, from Debian packages, for all twins."""

from __future__ import annotations

from pathlib import Path

from control import places
from control.errors import TrunklineError
from inventories.model import RELEASES
from twin.archive import Archive, Suite
from twin.image import Progress, Recipe, made

WORLD = "world"
TELEPHONY = "telephony"
RELEASE = RELEASES["debian13"]
PACKAGES = (
    "charon-systemd",
    "docker-registry",
    "iproute2",
    "libcharon-extra-plugins",
    "libstrongswan-standard-plugins",
    "nftables",
    "pebble",
    "postgresql",
    "redis-server",
    "strongswan-swanctl",
)
TESTING = "testing"
"""Where pebble is taken from: stable's is too old to know certificate profiles."""

_PINS = f"""\
Package: *
Pin: release a={TESTING}
Pin-Priority: 50

Package: pebble
Pin: release a={TESTING}
Pin-Priority: 990
"""
_PLACES = {"/conf/empty": "", "/data/empty": "", "/run/empty": "", "/dev/empty": ""}
"""Where a cell mounts what it needs."""


def world_image(archive: Archive, proxy_port: int, progress: Progress) -> Path:
    """Return the image's directory; build it when this archive state has none yet."""
    recipe = Recipe(
        name=WORLD,
        suites=archive.suites(RELEASE),
        packages=PACKAGES,
        files=_PLACES,
        before={
            "/etc/apt/preferences.d/pebble": _PINS,
            "/etc/postgresql-common/createcluster.conf": "create_main_cluster = false\n",
        },
        beside=(Suite(archive.main, TESTING, always_valid=True).source,),
    )
    return made(recipe, proxy_port, progress)


def telephony_image(archive: Archive, proxy_port: int, progress: Progress) -> Path:
    """Return the directory of the image that carriers run from; stable has no Asterisk."""
    suites = archive.suites(RELEASES["debian-testing"])
    recipe = Recipe(TELEPHONY, suites, ("asterisk",), _PLACES)
    return made(recipe, proxy_port, progress)


def note(twin: str, image: Path, name: str = WORLD) -> None:
    """Remember which image a twin's world uses."""
    path = places.twin_of(twin) / f"{name}.image"
    path.with_suffix(".new").write_text(str(image))
    path.with_suffix(".new").rename(path)


def image_of(twin: str, name: str = WORLD) -> Path:
    """Return the image that a twin's world uses; TrunklineError where the twin was never up."""
    try:
        return Path((places.twin_of(twin) / f"{name}.image").read_text())
    except OSError:
        raise TrunklineError(
            f"The twin {twin} was never up.", f"Bring it up: `invoke twin.up --twin {twin}`."
        ) from None


def postgresql(image: Path) -> str:
    """Return the directory of PostgreSQL's programs as a cell sees it."""
    return "/" + str(next(image.glob("usr/lib/postgresql/*/bin")).relative_to(image))
