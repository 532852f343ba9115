"""Apply: execute what was planned, host by host at the same time, and stop at the first failure."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gevent.event import Event
from pyinfra.api.command import FunctionCommand, PyinfraCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host

from control.errors import TrunklineError
from deploys._connector.failure import ConnectionLost
from deploys._connector.line import Line
from deploys._engine.fleet import Fleet, at_once
from deploys._engine.plan import Plan, Step

HEARTBEAT_SECONDS = 2


class Unplanned(TrunklineError):
    """A step wants to do something that its plan did not list."""


class Stopped(TrunklineError):
    """We were told to stop, or another host failed."""


class Cut(Stopped):
    """The running command was ended, because we were told to stop."""


class Application:
    """One batch of hosts on the way through their steps; `cut` are those that were ended in the middle."""

    def __init__(self, fleet: Fleet, plan: Plan, names: list[str], stopping: Event) -> None:
        self.fleet = fleet
        self.plan = plan
        self.names = names
        self.stopping = stopping
        self.done: list[tuple[str, str]] = []
        self.not_done: list[tuple[str, str]] = []
        self.cut: list[tuple[str, str]] = []
        self.failed: tuple[Step, TrunklineError] | None = None
        self._running: dict[str, tuple[str, float]] = {}

    def run(self) -> None:
        """Execute the batch; what happened stands in `done`, `not_done` and `failed`."""
        state = self.plan.state
        if state.current_stage < StateStage.Execute:
            state.set_stage(StateStage.Execute)
        state.is_executing = True
        heart = gevent.spawn(self._beat)
        try:
            at_once(self._host, self.names)
        finally:
            heart.kill()
            state.is_executing = False

    def _host(self, name: str) -> None:
        steps = self.plan.steps[name]
        self.plan.applied.add(name)
        with ctx_config.use(self.plan.state.config.copy()), ctx_host.use(self.plan.hosts[name]):
            for place, step in enumerate(steps):
                if not self._go_on() or not self._step(step):
                    return self._skip(steps[place:])
        return None

    def _go_on(self) -> bool:
        return not self.stopping.is_set() and self.failed is None

    def _skip(self, steps: list[Step]) -> None:
        for step in steps:
            if step.kind != "none":
                self.not_done.append((step.host, step.name))
                if self.failed is None or self.failed[0] is not step:
                    self._tell(step, "skipped")

    def _step(self, step: Step) -> bool:
        """Execute one step; say whether the host may go on."""
        started = time.monotonic()
        self._running[step.host] = (step.name, started)
        if step.kind != "none":
            self._tell(step, "started")
        try:
            changed = self._execute(step)
        except Stopped as stopped:
            if isinstance(stopped, Cut):
                self.cut.append((step.host, step.name))
            return False
        except TrunklineError as error:
            self._fail(step, error, time.monotonic() - started)
            return False
        finally:
            del self._running[step.host]
        if changed:
            self.done.append((step.host, step.name))
        seconds = round(time.monotonic() - started, 3)
        self._tell(step, "changed" if changed else "unchanged", seconds=seconds)
        return True

    def _execute(self, step: Step) -> bool:
        """Run the operation; True when it changed something, TrunklineError when it failed."""
        state, host = self.plan.state, self.plan.hosts[step.host]
        line = self.fleet.line(step.host)
        line.failure = None
        data = state.ops[host][step.operation]
        data.command_generator = functools.partial(self._watched, data.command_generator, step, line)
        try:
            ok = run_host_op(state, host, step.operation)
        except PyinfraError as error:
            raise self._unfinished(step, line, str(error)) from error
        if not ok:
            raise self._unfinished(step, line, "it failed")
        return bool(data.operation_meta.did_change())

    def _unfinished(self, step: Step, line: Line, otherwise: str) -> TrunklineError:
        """Return why a step did not come to its end: we were told to stop, or it failed."""
        if self.stopping.is_set() and line.connection.abandoned:
            return Cut("ended")
        if self.stopping.is_set() and line.failure is None:
            return Stopped("stopped")
        return _explained(step, line, otherwise)

    def _watched(
        self, commands: Callable[[], Iterator[PyinfraCommand]], step: Step, line: Line
    ) -> Iterator[PyinfraCommand]:
        """Yield an operation's commands as long as they were planned and nobody told us to stop."""
        for command in commands():
            if step.kind == "none":
                raise Unplanned(
                    f"{step.host}: {step.name} wants to change something that its plan did not list.",
                    "Nothing of it was done. Plan again; an operation must plan all that it does.",
                )
            if self.stopping.is_set():
                raise Stopped("stopped")
            if isinstance(command, FunctionCommand):
                command.function = _remembering(command.function, line)
            yield command

    def _fail(self, step: Step, error: TrunklineError, seconds: float) -> None:
        if self.failed is None:
            self.failed = (step, error)
        self._tell(step, "failed", seconds=round(seconds, 3), error=error.message, remedy=error.remedy)
        if not self.fleet.line(step.host).connection.alive:
            self.fleet.lost(step.host, ConnectionLost(f"The connection to {step.host} was lost."))

    def _tell(self, step: Step, status: str, **more: Any) -> None:
        self.fleet.wire.emit(
            "step", phase="apply", host=step.host, step=step.name, change=step.kind, status=status, **more
        )

    def _beat(self) -> None:
        while True:
            gevent.sleep(HEARTBEAT_SECONDS)
            for host, (step, started) in list(self._running.items()):
                seconds = round(time.monotonic() - started, 1)
                self.fleet.wire.emit("heartbeat", host=host, step=step, seconds=seconds)


def _explained(step: Step, line: Line, otherwise: str) -> TrunklineError:
    """Return why a step failed, in the words of the command that failed."""
    failure = line.failure
    if failure is None:
        return TrunklineError(f"{step.host}: {step.name}: {otherwise}")
    said = f"\n{failure.output}" if failure.output else ""
    return TrunklineError(f"{step.host}: {step.name}: {failure.sentence}{said}", failure.remedy)


def _remembering(function: Callable[..., Any], line: Line) -> Callable[..., Any]:
    """Return a callback whose exception is not lost: pyinfra itself only logs it."""

    def noting(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TrunklineError as error:
            line.note(error)
            raise
        except Exception as error:
            if line.failure is None:
                line.note(TrunklineError(str(error) or type(error).__name__))
            raise

    if {"state", "host"} <= set(inspect.getfullargspec(function).args):
        return lambda state, host, *args, **kwargs: noting(state, host, *args, **kwargs)
    return noting
