"""Base images for a twin, made from Debian packages: they look to a Dockerfile like the official ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from inventories.model import RELEASES, Release
from twin.images.reference import Reference

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, eq=False)
class Recipe:
    """How an image is made."""

    repository: str
    """In Docker Hub's notation: library/redis."""
    tags: tuple[str, ...]
    release: str
    packages: tuple[str, ...]
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Path -> mode and text."""
    script: str = ""
    """Run by sh as root in the image after the packages are in."""
    config: dict[str, Any] = field(default_factory=dict)
    """The image's configuration (OCI image specification, config)."""

    @property
    def name(self) -> str:
        """What its directory is called."""
        return f"{self.repository.replace('/', '-')}-{self.tags[0]}"

    @property
    def of_release(self) -> Release:
        """The Debian release that it is made from."""
        return RELEASES[self.release]

    def digest(self) -> str:
        """Return what changes when the recipe does."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]

    def __str__(self) -> str:
        return f"{self.repository.removeprefix('library/')}:{self.tags[0]}"


REDIS_ENTRY = """\
#!/bin/sh
# As the official image: options alone are for redis-server, root hands over to the account redis, and
# the network of the containers may connect.
set -e
case "${1:-}" in
    -*|*.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ]; then
    shift
    file=
    case "${1:-}" in *.conf) file=$1; shift ;; esac
    case "${1:-}" in
        -v|--version|-h|--help) ;;
        *) set -- --protected-mode no "$@" ;;
    esac
    set -- redis-server ${file:+"$file"} "$@"
    if [ "$(id -u)" = 0 ]; then
        find . \\! -user redis -exec chown redis '{}' +
        exec setpriv --reuid=redis --regid=redis --clear-groups -- "$@"
    fi
fi
exec "$@"
"""

RECIPES = (
    Recipe(
        repository="library/debian",
        tags=("13-slim", "trixie-slim", "stable-slim"),
        release="debian13",
        packages=(),
        config={"Cmd": ["bash"], "Env": [PATH]},
    ),
    Recipe(
        repository="library/python",
        tags=("3.13-slim", "3.13-slim-trixie", "3-slim"),
        release="debian13",
        packages=("ca-certificates", "netbase", "python-is-python3", "python3", "python3-pip", "tzdata"),
        # Debian's pip keeps its hands off Debian's packages (PEP 668); the official image has none.
        script="cd /usr/lib && rm -rf python3*/EXTERNALLY-MANAGED python3/dist-packages/packaging* "
        "python3/dist-packages/wheel*",
        config={"Cmd": ["python3"], "Env": [PATH, "LANG=C.UTF-8"]},
    ),
    Recipe(
        repository="library/redis",
        tags=("7-alpine", "7", "7-bookworm", "7.0-alpine", "7.0"),
        # Debian 12 has Redis 7.0; Debian 13 has 8.
        release="debian12",
        packages=("redis-server", "redis-tools", "tzdata"),
        files={"/usr/local/bin/docker-entrypoint.sh": (0o755, REDIS_ENTRY)},
        script="install -d -o redis -g redis /data",
        config={
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["redis-server"],
            "Env": [PATH],
            "ExposedPorts": {"6379/tcp": {}},
            "Volumes": {"/data": {}},
            "WorkingDir": "/data",
        },
    ),
)


def recipe_of(reference: Reference) -> Recipe | None:
    """Return the recipe that makes an image, if one does."""
    for recipe in RECIPES:
        if ("", recipe.repository) == reference[:2] and reference.version in recipe.tags:
            return recipe
    return None
