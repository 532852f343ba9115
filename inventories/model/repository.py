"""What an inventory names in this repository: directories of sites, contexts of images, certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.compose import Compose
    from inventories.model.host import Host
    from inventories.model.nginx import Nginx
    from inventories.model.record import Service

TOP = Path(__file__).resolve().parent.parent.parent
"""The repository's own directory."""


def lint_contexts(compose: Compose, host: Host) -> Iterator[Problem]:
    """Yield images whose context, or the Dockerfile in it, is not there."""
    for stack, container in compose.containers():
        if not isinstance(container.image, str):
            place = f"stacks[{stack.name}].services[{container.name}].image"
            context, dockerfile = container.image.context, container.image.dockerfile
            yield from lint_file(compose, host, f"{place}.context", f"{context}/{dockerfile}")


def lint_pages(nginx: Nginx, host: Host) -> Iterator[Problem]:
    """Yield sites whose index.html is not there, which would answer nothing."""
    for site in nginx.sites:
        if site.files is not None:
            place = f"sites[{site.name}].files.directory"
            yield from lint_file(nginx, host, place, f"{site.files.directory}/index.html")


def lint_file(service: Service, host: Host, place: str, name: str) -> Iterator[Problem]:
    """Yield a file that is not in the repository."""
    if not (TOP / name).is_file():
        yield service.problem(
            host,
            place,
            f"there is no {name} in this repository",
            "a file that is there",
            "correct the name, or build it and add it first",
        )
