"""The images that a deploy brings along: built on the controller, once for all hosts, before the plan."""

from __future__ import annotations

from control.progress import Board
from control.target import Target
from inventories.model import Build

Images = dict[str, dict[str, str]]
"""What the engine is told: a declared build -> id, tag and archive of its image."""


def declared(target: Target) -> dict[str, tuple[Build, list[str]]]:
    """Return every declared build once, with the chosen hosts that run it."""
    found: dict[str, tuple[Build, list[str]]] = {}
    for host in target.hosts:
        containers = host.compose.containers() if host.compose else ()
        for image in (container.image for _, container in containers):
            if isinstance(image, Build):
                _, hosts = found.setdefault(image.model_dump_json(), (image, []))
                hosts += [host.name] if host.name not in hosts else []
    return found


def built(target: Target, board: Board) -> Images:
    """Build what is not built yet, telling the board; raises TrunklineError with the builder's last words."""
    images: Images = {}
    for key, (build, hosts) in declared(target).items():
        from control.images import image_of

        def tell(said: str, hosts: list[str] = hosts) -> None:
            for name in hosts:
                board.working(name, f"image: {said}")

        image = image_of(build, target.environment, target.instance, tell)
        images[key] = {"id": image.id, "tag": image.tag, "archive": str(image.archive)}
    return images
