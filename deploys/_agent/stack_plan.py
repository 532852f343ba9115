"""What a converge of a stack would do, from what is declared and what is seen. Nothing is changed here.

`todo` is asked again after every step, so a converge that was killed anywhere is ended by the next one: what
it left is only another thing that is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .stack_docker import Container
from .stack_spec import COLOURS, Service, Spec


@dataclass(frozen=True)
class Seen:
    """A stack as it is on the host."""

    containers: list[Container]
    images: dict[str, str]
    """Declared reference -> id, of those that are here."""
    colours: dict[str, str | None]
    """http service -> the colour its upstream file names."""
    migrated: frozenset[str]
    """Images for which the database was migrated."""
    unread: frozenset[str]
    """Services whose upstream file Nginx has yet to read."""

    def of(self, composed: str) -> list[Container]:
        """The containers of one service of the compose file, oldest first."""
        return [one for one in self.containers if one.service == composed and not one.oneoff]


@dataclass(frozen=True)
class Step:
    """One thing to do; `action` is what a program reads, `what` and `why` a person."""

    service: str
    action: str
    what: str
    why: str
    containers: list[Container] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The step as JSON."""
        return {"service": self.service, "action": self.action, "what": self.what, "why": self.why}


def differs(service: Service, one: Container, images: dict[str, str]) -> str | None:
    """Why a container is not what is declared, or None."""
    if not one.ours:
        return f"{one.name} is not of this stack's making"
    if one.config != service.config:
        return "its declaration changed"
    if one.stale:
        return f"{one.name} reads an older copy of {one.stale[0]}"
    if service.role != "stateful" and not runs_image(service, one, images):
        return f"{one.name} runs the image {short(one.image)}"
    return None


def runs_image(service: Service, one: Container, images: dict[str, str]) -> bool:
    """The container runs the declared image."""
    wanted = images.get(service.image)
    return one.image == wanted if wanted else one.reference == service.image


def short(image: str) -> str:
    """An image id as people write it."""
    return image.removeprefix("sha256:")[:12]


def main_of(service: Service, group: list[Container], images: dict[str, str]) -> Container | None:
    """The container that counts: the newest that fits and runs, else fits, else runs, else the newest."""

    def rank(one: Container) -> tuple[bool, bool, bool, str]:
        fits = differs(service, one, images) is None
        return fits and one.running, fits, one.running, one.created

    return max(group, key=rank, default=None)


def todo(spec: Spec, seen: Seen) -> list[Step]:
    """Every step of a converge, in order; empty when nothing differs."""
    steps = _oneoffs(spec, seen)
    per_service = {service.name: _service(spec, service, seen) for service in spec.ordered()}
    steps += _missing_images(spec, seen, per_service)
    early = [step for name, found in per_service.items() for step in found if _is_down(spec, name, step)]
    steps += early + _migration(spec, seen)
    steps += [step for found in per_service.values() for step in found if step not in early]
    return steps + _orphans(spec, seen)


def _is_down(spec: Spec, name: str, step: Step) -> bool:
    """Data services that do not run are started first: a migration may need them."""
    return spec.service(name).role == "stateful" and step.action in ("create", "start")


def _oneoffs(spec: Spec, seen: Seen) -> list[Step]:
    left = [one for one in seen.containers if one.oneoff and one.ours and one.purpose]
    return [
        Step(
            one.service,
            "clear",
            f"end the {one.purpose} that {one.name} began",
            "an earlier command was cut short",
            [one],
        )
        for one in left
    ]


def _missing_images(spec: Spec, seen: Seen, per_service: dict[str, list[Step]]) -> list[Step]:
    missing: dict[str, str] = {}
    for service in spec.services:
        if service.image not in seen.images and per_service[service.name]:
            missing.setdefault(service.image, service.name)
    return [
        Step(name, "image", f"fetch {image}", "the image is not on this host")
        for image, name in missing.items()
    ]


def _migration(spec: Spec, seen: Seen) -> list[Step]:
    wanted = spec.migration
    if wanted is None:
        return []
    reference = spec.service(wanted.service).image
    if seen.images.get(reference, reference) in seen.migrated:
        return []
    before = "dump, then migrate" if wanted.dump else "migrate"
    return [Step(wanted.service, "migrate", f"{before} the database", "the image is new to the database")]


def _service(spec: Spec, service: Service, seen: Seen) -> list[Step]:
    return _http(service, seen) if service.role == "http" else _in_place(service, seen)


def _in_place(service: Service, seen: Seen) -> list[Step]:
    group = seen.of(service.name)
    main = main_of(service, group, seen.images)
    if main is None:
        return [Step(service.name, "create", "start it", "it has no container")]
    why = differs(service, main, seen.images)
    anew = "stop, then the new one; the old one is back if that fails"
    if service.role == "worker":
        anew = "finish the work under way, then the new one"
    if why:
        return [Step(service.name, "replace", anew, why, group)]
    if len(group) > 1:
        others = ", ".join(one.name for one in group if one is not main)
        return [Step(service.name, "replace", "leave one container", f"there is also {others}", group)]
    if not main.running:
        return [Step(service.name, "start", f"start {main.name}", _down(main), group)]
    if main.health == "unhealthy":
        if service.role == "stateful":
            return [Step(service.name, "restart", f"restart {main.name}", "it is unhealthy", group)]
        return [Step(service.name, "renew", anew, "it is unhealthy", group)]
    return []


def _down(one: Container) -> str:
    return f"it is {one.state}" + (f" with code {one.exit_code}" if one.state == "exited" else "")


def _http(service: Service, seen: Seen) -> list[Step]:
    groups = {colour: seen.of(service.compose(colour)) for colour in COLOURS}
    mains = {colour: main_of(service, group, seen.images) for colour, group in groups.items()}
    fits = {
        colour: main is not None and main.running and differs(service, main, seen.images) is None
        for colour, main in mains.items()
    }
    active = seen.colours[service.name]
    if active is None:
        chosen = next((colour for colour in COLOURS if fits[colour]), None)
        if chosen:
            return [_switch(service, chosen, "its upstream file names none of its ports")]
        free = (colour for colour, main in mains.items() if main is None or not main.running)
        return [_create(service, next(free, "a"), "its upstream file names none of its ports")]
    idle = COLOURS[1 - COLOURS.index(active)]
    main = mains[active]
    if main is None:
        if fits[idle]:
            return [_switch(service, idle, f"colour {active} has no container")]
        return [_create(service, active, "it has no container")]
    why = differs(service, main, seen.images)
    if why is None and not main.running:
        return [Step(service.name, "start", f"start {main.name}", _down(main), groups[active])]
    if why is None and main.health == "unhealthy":
        why = f"{main.name} is unhealthy"
    if why:
        return [_switch(service, idle, why)]
    extra = groups[idle] + [one for one in groups[active] if one is not main]
    if extra:
        names = ", ".join(one.name for one in extra)
        return [Step(service.name, "retire", f"stop and remove {names}", "one colour serves", extra)]
    if service.name in seen.unread:
        return [Step(service.name, "reload", "reload Nginx", "it has not read the upstream file yet")]
    return []


def _switch(service: Service, colour: str, why: str) -> Step:
    return Step(
        service.name, f"switch-{colour}", f"second colour on {service.port(colour)}, then switch", why
    )


def _create(service: Service, colour: str, why: str) -> Step:
    return Step(service.name, f"create-{colour}", f"start it on {service.port(colour)}", why)


def _orphans(spec: Spec, seen: Seen) -> list[Step]:
    if not spec.orphans:
        return []
    return [
        Step(one.service, "orphan", f"stop and remove {one.name}", "nothing declares it", [one])
        for one in reversed(seen.containers)
        if one.ours and one.service not in spec.composed and not (one.oneoff and one.purpose)
    ]
