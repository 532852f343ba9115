"""How each step of a stack's plan is done. After any of them, and after a crash in the middle of any, the
plan is made anew from what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import stack_upstream
from .problem import AgentError
from .stack_container import Tell, Unhealthy, create, remove, start, stop, wait_healthy
from .stack_docker import Container, docker
from .stack_failure import failed
from .stack_migration import finish, migrate
from .stack_plan import Seen, Step, differs, main_of
from .stack_spec import Service, Spec

_OLD_SERVES = "the old version serves"


@dataclass(frozen=True)
class Work:
    """What every step needs; `fence` raises when another holds the lock now."""

    spec: Spec
    seen: Seen
    tell: Tell
    fence: Callable[[], None]

    def name(self, service: Service) -> str:
        """The service as progress lines name it."""
        return f"{self.spec.name}/{service.name}"


def do(work: Work, step: Step) -> None:
    """Do one step; AgentError says what failed, and the old version serves."""
    work.tell(f"{work.spec.name}/{step.service}: {step.what} ({step.why})")
    if step.action in ("clear", "orphan"):
        _clear(work, step.containers)
        return
    service = work.spec.service(step.service)
    verb, _, colour = step.action.partition("-")
    if verb in ("switch", "create") and colour:
        _colour(work, service, colour)
    elif verb == "image":
        _fetch(service)
    elif verb == "migrate":
        assert work.spec.migration is not None
        migrate(work.spec, work.spec.migration, work.seen.images[service.image], work.tell)
    elif verb in ("create", "replace", "renew"):
        _in_place(work, service, step.containers, anew=verb == "renew")
    elif verb in ("start", "restart"):
        _start(work, service, step.containers, again=verb == "restart")
    elif verb == "retire":
        _read_by_nginx(work, service)
        stop(step.containers, service.stop_seconds, work.tell, work.name(service))
        remove(step.containers)
    elif verb == "reload":
        stack_upstream.reload(work.spec, service, work.tell)


def _clear(work: Work, left: list[Container]) -> None:
    for one in left:
        if one.oneoff and one.purpose == "migration":
            finish(work.spec, one, work.tell)
            continue
        if not one.oneoff:
            stop([one], None, work.tell, work.spec.name)
        remove([one])


def _fetch(service: Service) -> None:
    if service.image.startswith("sha256:"):
        raise AgentError(
            f"{service.name} needs the image {service.image[:19]}, which is not on this host: deploy again",
            service=service.name,
            error="image",
        )
    said = docker("pull", "--quiet", service.image, seconds=600.0, alone=True)
    if said.code:
        raise AgentError(
            f"the image {service.image} could not be fetched: {said.gist}",
            service=service.name,
            error="image",
        )


def _read_by_nginx(work: Work, service: Service) -> None:
    """Before a colour goes: as long as Nginx has not read the file, it still asks that colour."""
    if service.name in work.seen.unread:
        stack_upstream.reload(work.spec, service, work.tell)


def _colour(work: Work, service: Service, colour: str) -> None:
    """Bring up a colour beside the one that serves, switch Nginx to it, and take the other away."""
    _read_by_nginx(work, service)
    fresh = _idle(work, service, colour)
    try:
        if not fresh.running:
            start(fresh)
        wait_healthy(work.spec, service, fresh, work.tell)
    except Unhealthy as why:
        error = failed(work.spec.name, service.name, fresh, str(why), _serving(work, service))
        remove([fresh])
        raise error from why
    work.fence()
    try:
        stack_upstream.point(work.spec, service, colour, work.tell)
    except (AgentError, OSError):
        if stack_upstream.colour_of(service) != colour:
            remove([fresh])
        raise
    work.fence()
    old = [one for name in _others(service, colour) for one in work.seen.of(name)]
    stop(old, service.stop_seconds, work.tell, work.name(service))
    remove(old)


def _serving(work: Work, service: Service) -> str:
    running = [one for name in _others(service, "") for one in work.seen.of(name) if one.running]
    return _OLD_SERVES if running else "there is no older version to serve"


def _others(service: Service, colour: str) -> list[str]:
    return [service.compose(other) for other in service.colours if other != colour]


def _idle(work: Work, service: Service, colour: str) -> Container:
    """The container of a colour that nobody asks: one that an earlier command left, if it is as declared."""
    composed = service.compose(colour)
    group = work.seen.of(composed)
    left = main_of(service, group, work.seen.images)
    usable = (
        left is not None
        and differs(service, left, work.seen.images) is None
        and left.health != "unhealthy"
        and left.state in ("running", "created")
    )
    keep = left if usable else None
    remove(one for one in group if one is not keep)
    return keep or create(work.spec, composed, 0)


def _in_place(work: Work, service: Service, group: list[Container], anew: bool) -> None:
    """Stop what runs, start the new container; when it fails, the stopped one is started again.

    The old container is only stopped until the new one is healthy, so its image, environment and definition
    are there to go back to.
    """
    main = main_of(service, group, work.seen.images)
    fits = main is not None and not anew and differs(service, main, work.seen.images) is None
    fresh = main if main is not None and fits else create(work.spec, service.name, len(group))
    others = [one for one in group if one.id != fresh.id]
    work.fence()
    stop(others, service.stop_seconds, work.tell, work.name(service))
    try:
        if not fresh.running:
            start(fresh)
        wait_healthy(work.spec, service, fresh, work.tell)
    except Unhealthy as why:
        serving = "the old container runs again" if others else "there is no older version to serve"
        error = failed(work.spec.name, service.name, fresh, str(why), serving)
        _back(work, service, fresh, others, error)
        raise error from why
    remove(others)


def _back(work: Work, service: Service, fresh: Container, others: list[Container], error: AgentError) -> None:
    """The new container goes before the old one starts: one that may run only once must not run twice."""
    docker("stop", "--time", str(min(service.stop_seconds, 10)), fresh.id)
    remove([fresh])
    if not others:
        return
    old = max(others, key=lambda one: (one.running, one.started))
    said = docker("start", old.id)
    if said.code:
        error.sentence += f", but it did not start: {said.gist}"
        return
    work.tell(f"{work.name(service)}: {old.name} runs again")


def _start(work: Work, service: Service, group: list[Container], again: bool) -> None:
    one = main_of(service, group, work.seen.images)
    assert one is not None
    try:
        if again:
            docker(
                "restart", "--time", str(service.stop_seconds), one.id, seconds=service.stop_seconds + 60.0
            )
        else:
            start(one)
        wait_healthy(work.spec, service, one, work.tell)
    except Unhealthy as why:
        raise failed(work.spec.name, service.name, one, str(why), "it is left as it is") from why
