"""Single steps on containers of a stack: create, start, stop, remove, and wait until one is healthy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable

from .problem import AgentError
from .stack_docker import PROJECT, Container, compose, containers, docker, inspect, must
from .stack_spec import Service, Spec

Tell = Callable[[str], None]
_POLL = 0.3
_TOLD_EVERY = 5.0
_CRASHES = 2
"""A container that ended so often while it was waited for will not become healthy."""


class Unhealthy(Exception):
    """A container did not become healthy; the text says why, as the end of a sentence."""


def create(spec: Spec, composed: str, present: int) -> Container:
    """Make one more container of a compose service beside the `present` ones; it is not started."""
    before = {one.id for one in containers(spec.name)}
    options = ("--no-start", "--no-deps", "--no-recreate", "--no-build", "--pull", "never")
    words = compose(spec, "up", *options, "--scale", f"{composed}={present + 1}", composed)
    must(*words, what=f"stack {spec.name}: {composed} could not be created", seconds=120.0)
    made = [one for one in containers(spec.name) if one.id not in before and one.service == composed]
    if len(made) != 1:
        raise AgentError(
            f"stack {spec.name}: compose made {len(made)} containers of {composed} in place of one: "
            "is its compose file the one of this release?"
        )
    return made[0]


def start(one: Container) -> None:
    """Let a container run; Unhealthy when docker cannot."""
    said = docker("unpause" if one.state == "paused" else "start", one.id)
    if said.code:
        raise Unhealthy(f"could not be started ({said.gist})")


def stop(group: Iterable[Container], seconds: int | None, tell: Tell, what: str) -> None:
    """SIGTERM, and SIGKILL after `seconds` (None: what the container itself allows), one after the other."""
    for one in group:
        if one.running or one.state == "paused":
            tell(f"{what}: stopping {one.name}" + (f", at most {seconds} s" if seconds else ""))
            limit = ("--time", str(seconds)) if seconds is not None else ()
            stopped = f"{what}: {one.name} could not be stopped"
            must("stop", *limit, one.id, what=stopped, seconds=(seconds or 600) + 60.0)


def remove(group: Iterable[Container]) -> None:
    """Take containers away; their volumes stay."""
    ids = [one.id for one in group]
    if not ids:
        return
    said = docker("rm", "--force", *ids)
    gone = ("No such container", "already in progress")
    if said.code and not any(words in said.err for words in gone):
        raise AgentError(f"containers could not be removed: {said.gist}", error="docker")


def look(spec_name: str, one: Container) -> Container | None:
    """The container as it is now, or None when it is gone."""
    return next(iter(inspect(spec_name, [one.id])), None)


def wait_healthy(spec: Spec, service: Service, one: Container, tell: Tell) -> None:
    """Return once docker calls the container healthy; Unhealthy says why it does not."""
    begin = told = time.monotonic()
    while True:
        now = look(spec.name, one)
        waited = time.monotonic() - begin
        if now is None:
            raise Unhealthy("was removed by somebody else")
        if now.state == "running" and now.health == "healthy":
            return
        _refuse(now, waited, service.healthy_within)
        if time.monotonic() - told >= _TOLD_EVERY:
            told = time.monotonic()
            tell(
                f"{spec.name}/{service.name}: waiting for {one.name} to be healthy "
                f"({waited:.0f} s of {service.healthy_within:.0f})"
            )
        time.sleep(_POLL)


def _refuse(now: Container, waited: float, limit: float) -> None:
    if now.state == "running" and now.health is None:
        raise Unhealthy("has no health check, so nobody can say that it works")
    # While docker starts it again and again, the code of its last end is seen only in between.
    down = now.state not in ("running", "paused")
    if down and (now.restarts >= _CRASHES or now.state != "restarting"):
        raise Unhealthy(f"exited with code {now.exit_code}")
    # A check that dies together with its container makes that unhealthy: why it ended is what matters.
    if now.health == "unhealthy" and not down:
        raise Unhealthy(f"is unhealthy after {waited:.0f} s{_word_of(now)}")
    if waited > limit:
        raise Unhealthy(f"is not healthy after {waited:.0f} s{_word_of(now)}")


def _word_of(one: Container) -> str:
    """The exit code of the last health check; its text could hold a secret."""
    said = docker("inspect", "--format", "{{json .State.Health}}", one.id)
    try:
        log = (json.loads(said.out) or {}).get("Log") or []
    except (ValueError, AttributeError):
        return ""
    if not log:
        return ""
    return f" (its check ended with {log[-1].get('ExitCode')})"


def networks_of(name: str) -> list[str]:
    """The networks of a stack's project."""
    words = ("network", "ls", "--quiet", "--filter", f"label={PROJECT}={name}")
    return must(*words, what=f"stack {name}: docker does not answer").split()
