"""Migrations: one-off containers of the new image, after a dump, before anything is switched.

A migration runs detached: when the agent is killed it goes on, and the next converge waits for its end in
place of starting a second one beside it.
"""

from __future__ import annotations

import os
import time

from . import durable, stack_state
from .places import state
from .problem import AgentError
from .stack_container import Tell, look, remove
from .stack_docker import PURPOSE, Container, compose, containers, docker
from .stack_failure import failed, masked_lines, told
from .stack_plan import short
from .stack_spec import COLOURS, Migration, Spec

_NEVER_STARTED = 10.0
_SERVING = "nothing was switched, the old version serves"


def migrate(spec: Spec, wanted: Migration, image: str, tell: Tell) -> None:
    """Dump where declared, then run the command; AgentError when it fails, with its last lines."""
    if wanted.dump:
        _dump(spec, wanted, image, tell)
    tell(f"{spec.name}/{wanted.service}: migrating the database with image {short(image)}")
    run = _run(spec, wanted, "migration", "--detach")
    started = docker(*run, *wanted.command, seconds=120.0)
    begun = [one for one in containers(spec.name) if one.oneoff and one.purpose == "migration"]
    if started.code:
        remove(begun)
        raise AgentError(f"stack {spec.name}: the migration could not be started: {started.gist}; {_SERVING}")
    for one in begun:
        finish(spec, one, tell, strict=True)
    if not begun:
        raise AgentError(
            f"stack {spec.name}: the container of the migration is gone, its outcome is not known"
        )
    _prune(spec, wanted)


def finish(spec: Spec, one: Container, tell: Tell, strict: bool = False) -> None:
    """Wait for a migration's end and take its container away; `strict`: AgentError when it failed."""
    limit = spec.migration.timeout if spec.migration else 600.0
    service = spec.migration.service if spec.migration else one.service
    code = _ended(spec, one, limit, tell)
    if code == 0:
        revision = _revision(spec, spec.migration, tell) if spec.migration else None
        stack_state.migrated(spec.name, one.image, revision)
    elif strict:
        why = (
            f"did not migrate within {limit:.0f} s" if code is None else f"migration failed with code {code}"
        )
        error = failed(spec.name, service, one, why, _SERVING, error="migration")
        remove([one])
        raise error
    else:
        tell(f"{spec.name}/{service}: the migration that was cut short failed (code {code})")
    remove([one])


def _ended(spec: Spec, one: Container, limit: float, tell: Tell) -> int | None:
    begin = told_at = time.monotonic()
    while (now := look(spec.name, one)) is not None:
        waited = time.monotonic() - begin
        if now.state in ("exited", "dead"):
            return now.exit_code
        if now.state == "created" and waited > _NEVER_STARTED:
            return 127
        if waited > limit:
            docker("stop", "--time", "10", one.id)
            return None
        if time.monotonic() - told_at >= 5:
            told_at = time.monotonic()
            tell(f"{spec.name}: {one.name} migrates the database ({waited:.0f} s of {limit:.0f})")
        time.sleep(0.3)
    raise AgentError(
        f"stack {spec.name}: {one.name} was removed by somebody else: the migration's end is unknown"
    )


def _run(spec: Spec, wanted: Migration, purpose: str, *options: str) -> list[str]:
    service = spec.service(wanted.service)
    composed = service.compose(COLOURS[0] if service.role == "http" else None)
    label = ("--label", f"{PURPOSE}={purpose}")
    return compose(spec, "run", "--no-deps", "--no-TTY", *label, *options, composed)


def _dump(spec: Spec, wanted: Migration, image: str, tell: Tell) -> None:
    tell(f"{spec.name}/{wanted.service}: dumping the data")
    home = state("dumps", spec.name)
    durable.make_dir(home)
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{short(image)}.dump"
    fresh = os.path.join(home, f"{name}.new")
    durable.remove_tree(fresh)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        words = [*_run(spec, wanted, "dump", "--rm"), *wanted.dump]
        said = docker(*words, seconds=wanted.timeout, out=fd, alone=True)
        if said.code == 0:
            os.fsync(fd)
            os.rename(fresh, os.path.join(home, name))
            durable.sync_dir(home)
            return
    finally:
        os.close(fd)
        durable.remove_tree(fresh)
    remove([one for one in containers(spec.name) if one.oneoff and one.purpose == "dump"])
    lines = masked_lines(spec.name, said.err)
    why = f"ended with code {said.code}"
    raise told(spec.name, wanted.service, "the dump", why, lines, _SERVING, "dump")


def _revision(spec: Spec, wanted: Migration, tell: Tell) -> str | None:
    if not wanted.current:
        return None
    said = docker(*_run(spec, wanted, "current", "--rm"), *wanted.current, seconds=120.0, alone=True)
    lines = masked_lines(spec.name, said.out)
    if said.code or not lines:
        tell(f"{spec.name}/{wanted.service}: the present revision could not be read (code {said.code})")
        return None
    return lines[-1]


def _prune(spec: Spec, wanted: Migration) -> None:
    """Only after a success: one that fails again and again must not push out the dump from before it."""
    home = state("dumps", spec.name)
    if os.path.isdir(home):
        for name in sorted(os.listdir(home))[: -wanted.keep_dumps or None]:
            durable.remove_tree(os.path.join(home, name))
