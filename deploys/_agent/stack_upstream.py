"""Which colour of an http service Nginx asks: one file a service, renamed into place, then read by a reload
whose effect is waited for."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from . import durable, stack_state
from .command import run
from .entry import read
from .places import on_disk
from .problem import AgentError
from .stack_spec import COLOURS, Service, Spec

DRAIN = 60.0
"""Seconds that Nginx's old workers get to answer what they took on."""
TAKEN_UP = 15.0
"""Seconds within which Nginx has new workers after a reload that it accepted."""
_SERVER = re.compile(r"^\s*server\s+127\.0\.0\.1:(\d+)\s*;\s*$", re.MULTILINE)

Tell = Callable[[str], None]


def colour_of(service: Service) -> str | None:
    """The colour that the upstream file names; None when it is absent or names no port of the service."""
    ports = _SERVER.findall(text_of(service) or "")
    if len(ports) != 1 or int(ports[0]) not in service.loopback:
        return None
    return COLOURS[service.loopback.index(int(ports[0]))]


def text_of(service: Service) -> str | None:
    """The upstream file as it is."""
    try:
        return read(on_disk(service.upstream)).decode(errors="replace")
    except FileNotFoundError:
        return None


def point(spec: Spec, service: Service, colour: str, tell: Tell) -> None:
    """Let Nginx ask `colour` from now on; when it does not take that up, the old file is back and AgentError
    raised."""
    before = text_of(service)
    wanted = f"server 127.0.0.1:{service.port(colour)};\n"
    if before != wanted:
        stack_state.unread(spec.name, service.name, True)
        _write(service, wanted)
    if service.name not in stack_state.read(spec.name)["unread"]:
        return
    try:
        reload(spec, service, tell)
    except AgentError:
        if before is not None and before != wanted:
            _write(service, before)
            run(list(spec.reload), 30.0)
        raise


def reload(spec: Spec, service: Service, tell: Tell) -> None:
    """Let Nginx read its upstreams; returns once its old workers have ended, or had `DRAIN` seconds."""
    master = _master(spec)
    if master:
        old = workers(master)
        outcome = run(list(spec.reload), 30.0)
        if not outcome.ok:
            raise AgentError(f"stack {spec.name}: Nginx could not be reloaded: {outcome.gist}")
        _taken_up(spec, master, old)
        _drained(f"{spec.name}/{service.name}", old, tell)
    stack_state.unread(spec.name, service.name, False)


def _write(service: Service, text: str) -> None:
    path = on_disk(service.upstream)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    durable.write(path, text.encode(), 0o644)


def _master(spec: Spec) -> int:
    """Nginx's first process; 0 where it does not run: it reads the file when it starts."""
    if not spec.reload:
        return 0
    said = run(["systemctl", "show", "--property", "MainPID", "--value", spec.reload[-1]])
    text = said.output.strip()
    return int(text) if said.ok and text.isdigit() else 0


def workers(master: int) -> dict[int, int]:
    """Process id and start time of the workers of Nginx that live now."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent_and_start := _parent_and_start(int(name))):
            parent, start = parent_and_start
            if parent == master:
                found[int(name)] = start
    return found


def _parent_and_start(pid: int) -> tuple[int, int] | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[1]), int(fields[19]))


def _alive(old: dict[int, int]) -> int:
    seen = (_parent_and_start(pid) for pid in old)
    return sum(
        found is not None and found[1] == start for found, start in zip(seen, old.values(), strict=True)
    )


def _taken_up(spec: Spec, master: int, old: dict[int, int]) -> None:
    """A reload that Nginx refuses leaves the old workers as they are and says so in its log only."""
    end = time.monotonic() + TAKEN_UP
    while not set(workers(master).items()) - set(old.items()):
        if time.monotonic() > end:
            raise AgentError(
                f"stack {spec.name}: Nginx did not take up the reload within {TAKEN_UP:.0f} s: "
                "`nginx -t` says why; it still asks the old colour"
            )
        time.sleep(0.05)


def _drained(what: str, old: dict[int, int], tell: Tell) -> None:
    begin = told = time.monotonic()
    while left := _alive(old):
        now = time.monotonic()
        if now - begin > DRAIN:
            tell(f"{what}: {left} old workers of Nginx still hold connections after {DRAIN:.0f} s: going on")
            return
        if now - told >= 5:
            told = now
            tell(f"{what}: {left} old workers of Nginx finish their requests ({now - begin:.0f} s)")
        time.sleep(0.05)
