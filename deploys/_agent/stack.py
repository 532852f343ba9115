"""Stacks of containers: look at one, bring it to what is declared, or take it away.

`stack look NAME` answers (the service's own fields are those of its main container, null where it has none;
of an http service that is the one in the colour that the upstream file names):

    {"stack": "shop", "declared": true,
     "services": [
       {"name": "api", "role": "http", "container": "<id>", "container_name": "shop-api-a-1",
        "image": "sha256:...", "config": "<label>", "state": "running",
        "health": "healthy"|"starting"|"unhealthy"|null, "colour": "a"|"b"|null, "port": 8000|null,
        "exit_code": 0, "restarts": 0, "started": "<RFC 3339>", "differs": "<why>"|null,
        "others": [{"container", "container_name", "image", "config", "state", "health", "colour"}]}],
     "orphans": [{"container", "container_name", "service", "image", "state"}],
     "foreign": [the same, of containers in our project that are not of our making: never touched],
     "migration": {"image": "sha256:...", "revision": "..."|null, "when": "<RFC 3339>"}|null,
     "todo": [{"service": "api", "action": "switch-b", "what": "second colour on 8001, then switch",
               "why": "its declaration changed"}],
     "problems": ["<one sentence each: what a person should know that no step mends>"]}

`action` is one of clear, image, create, start, migrate, replace, renew, restart, create-a|b, switch-a|b,
retire, reload, orphan. With `--spec -` the wanted spec is read from stdin in place of the host's stack.json,
so that a plan can be made before the files are there. With `--settled` the exit code is 1 while there is
anything to do or not yet healthy.

`stack converge NAME` answers {"stack", "changed": [{"service", "action", "what", "why"}], "migration": as
above}; a failure has {"stack", "service", "container", "error": "health|migration|dump|image|docker|circle",
"why", "logs": [lines], "changed": [...]}. `stack remove NAME` answers {"stack", "removed": [names]}.
"""

from __future__ import annotations

import contextlib
import glob
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from . import durable, lock, stack_docker, stack_spec, stack_state
from .mutex import held as mutex
from .places import on_disk
from .problem import AgentError
from .stack_container import Unhealthy, networks_of, remove, stop, wait_healthy
from .stack_failure import failed
from .stack_look import look, main_in, migration, see
from .stack_plan import Seen, Step, todo
from .stack_spec import Spec
from .stack_steps import Work, do

__all__ = ["converge", "look", "take_away"]

_REPEATS = 2
"""A step that is wanted again after so many times does not do what it should."""
_WAIT = 300.0


def tell(line: str) -> None:
    """A line of progress, for whoever waits."""
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """One command at a time changes a stack; what waits says so."""
    own = f"stack-{stack_spec.require_name(name)}"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(mutex(own, wait=0.5))
        except AgentError:
            tell(f"{name}: waiting for another command of the agent, at most {_WAIT:.0f} s")
            stack.enter_context(mutex(own, wait=_WAIT))
        stack.enter_context(stack_docker.busy(name, _WAIT, tell))
        yield


def converge(name: str, token: int | None) -> dict[str, Any]:
    """Bring the stack to what is declared; AgentError says what failed, and the old version serves."""
    token = lock.current() if token is None else token

    def fence() -> None:
        lock.fence(token)

    with _alone(name):
        fence()
        spec = stack_spec.load(name)
        if spec is None:
            return {"stack": name, "changed": [], "migration": None}
        changed: list[Step] = []
        try:
            while steps := todo(spec, seen := see(spec)) or _wait_for_all(spec, seen):
                _refuse_circle(spec, changed, steps[0])
                fence()
                do(Work(spec, seen, tell, fence), steps[0])
                changed.append(steps[0])
        except AgentError as error:
            error.report = {"stack": name, **error.report, "changed": [step.record() for step in changed]}
            raise
    return {"stack": name, "changed": [step.record() for step in changed], "migration": migration(name)}


def _wait_for_all(spec: Spec, seen: Seen) -> list[Step]:
    """Nothing is left to do: wait for what still starts; what fails meanwhile is something to do again."""
    for service in spec.ordered():
        main = main_in(service, seen)
        if main is None or main.health == "healthy":
            continue
        try:
            wait_healthy(spec, service, main, tell)
        except Unhealthy as why:
            again = todo(spec, see(spec))
            if again:
                return again
            raise failed(spec.name, service.name, main, str(why), "it is left as it is") from why
    return []


def _refuse_circle(spec: Spec, changed: list[Step], step: Step) -> None:
    done = Counter((one.service, one.action, tuple(c.id for c in one.containers)) for one in changed)
    if done[(step.service, step.action, tuple(c.id for c in step.containers))] >= _REPEATS:
        raise AgentError(
            f"stack {spec.name}: {step.service} is not as declared after it was done {_REPEATS} times: "
            f"{step.what} ({step.why})",
            service=step.service,
            error="circle",
        )


def take_away(name: str, token: int | None) -> dict[str, Any]:
    """Stop and remove every container and network of ours; volumes, dumps and what others made stay."""
    lock.fence(token)
    with _alone(name):
        spec = stack_spec.load(name)
        ours = [one for one in stack_docker.containers(name) if one.ours]
        stop([one for one in ours if not one.oneoff], None, tell, name)
        remove(ours)
        removed = [one.name for one in ours]
        for network in networks_of(name):
            if stack_docker.docker("network", "rm", network).code == 0:
                removed.append(f"network {network}")
        for service in spec.services if spec else ():
            if service.upstream and not _included(service.upstream):
                durable.unlink(on_disk(service.upstream))
        stack_state.forget(name)
    return {"stack": name, "removed": removed}


def _included(upstream: str) -> bool:
    """Nginx still refers to the file: without it, Nginx would not start any more."""
    sites = [
        path for part in ("sites-enabled", "conf.d") for path in glob.glob(on_disk(f"/etc/nginx/{part}/*"))
    ]
    for path in sites:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if upstream.encode() in file.read():
                return True
    return False
