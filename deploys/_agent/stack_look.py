"""What a stack is on this host, as JSON; the form is in the docstring of `stack`."""

from __future__ import annotations

from typing import Any

from . import stack_docker, stack_plan, stack_spec, stack_state, stack_upstream
from .problem import AgentError
from .stack_docker import Container
from .stack_plan import Seen, differs, main_of, todo
from .stack_spec import Service, Spec


def see(spec: Spec) -> Seen:
    """The stack as it is on this host now."""
    record = stack_state.read(spec.name)
    http = [service for service in spec.services if service.role == "http"]
    return Seen(
        containers=stack_docker.containers(spec.name),
        images=stack_docker.images([service.image for service in spec.services]),
        colours={service.name: stack_upstream.colour_of(service) for service in http},
        migrated=frozenset(item["image"] for item in record["migrated"]),
        unread=frozenset(record["unread"]),
    )


def look(name: str, wanted: Any = None, settled: bool = False) -> dict[str, Any]:
    """What runs, what a converge would do, and what it cannot mend."""
    spec = stack_spec.parse(wanted, "the given spec") if wanted is not None else stack_spec.load(name)
    declared = spec is not None
    spec = spec or Spec(name, f"{stack_spec.HOME}/{name}", ())
    seen = see(spec)
    steps = todo(spec, seen) if declared else []
    answer: dict[str, Any] = {
        "stack": name,
        "declared": declared,
        "services": [_service(service, seen) for service in spec.services],
        "orphans": [_short(one) for one in seen.containers if one.ours and one.service not in spec.composed],
        "foreign": [_short(one) for one in seen.containers if not one.ours],
        "migration": migration(name),
        "todo": [step.record() for step in steps],
        "problems": _problems(spec, seen),
    }
    waiting = [item["name"] for item in answer["services"] if item["health"] != "healthy"]
    if settled and (steps or waiting):
        what = "; ".join(f"{step.service}: {step.what} ({step.why})" for step in steps)
        raise AgentError(
            f"stack {name} is not as declared: {what or 'not healthy yet: ' + ', '.join(waiting)}", **answer
        )
    return answer


def migration(name: str) -> dict[str, Any] | None:
    """The last migration that succeeded."""
    migrated = stack_state.read(name)["migrated"]
    return dict(migrated[-1]) if migrated else None


def main_in(service: Service, seen: Seen) -> Container | None:
    """The container that counts of a service; of an http service, in the colour that serves."""
    colour = seen.colours.get(service.name)
    if service.role == "http" and colour is None:
        return None
    return main_of(service, seen.of(service.compose(colour)), seen.images)


def _service(service: Service, seen: Seen) -> dict[str, Any]:
    main = main_in(service, seen)
    colour = seen.colours.get(service.name)
    group = [(one, its) for its in service.colours for one in seen.of(service.compose(its))]
    return {
        "name": service.name,
        "role": service.role,
        **_fields(main, colour),
        "port": service.port(colour) if colour else None,
        "exit_code": main.exit_code if main else None,
        "restarts": main.restarts if main else None,
        "started": main.started if main else None,
        "differs": differs(service, main, seen.images) if main else "it has no container",
        "others": [_fields(one, its) for one, its in group if one is not main],
    }


def _fields(one: Container | None, colour: str | None) -> dict[str, Any]:
    return {
        "container": one.id if one else None,
        "container_name": one.name if one else None,
        "image": one.image if one else None,
        "config": one.config if one else None,
        "state": one.state if one else None,
        "health": one.health if one else None,
        "colour": colour,
    }


def _short(one: Container) -> dict[str, Any]:
    return {
        "container": one.id,
        "container_name": one.name,
        "service": one.service,
        "image": one.image,
        "state": one.state,
    }


def _problems(spec: Spec, seen: Seen) -> list[str]:
    """What no step mends."""
    found = [
        f"{one.name} is in the project {spec.name} but not of its making"
        for one in seen.containers
        if not one.ours
    ]
    for service in spec.services:
        main = main_in(service, seen)
        if main is None:
            continue
        if main.health is None and main.running:
            found.append(f"{main.name} has no health check")
        if service.role == "stateful" and not stack_plan.runs_image(service, main, seen.images):
            found.append(
                f"{main.name} runs the image {stack_plan.short(main.image)} and not the declared one; "
                "it keeps data, so it is replaced only when its own declaration changes"
            )
    return found
