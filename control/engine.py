"""The engine's parent: asks the child process and turns its answers into records and errors."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, NoReturn

from control.child import Child, EngineDied
from control.course import ApplyFailed, Course, Interrupted, Place
from control.errors import TrunklineError
from control.event import Event, Heartbeat, HostEvent, LockEvent, ProblemEvent, ResultEvent, StepEvent
from control.leases import Leases
from inventories.model import Environment

LEASE_SECONDS = 60
STOP_SECONDS = 25
"""How long the engine may take to end what is running and give the lock back; then it is killed."""

__all__ = [
    "ApplyFailed", "CommandResult", "Confirmation", "Engine", "EngineDied", "Event", "Heartbeat", "HostEvent",
    "Interrupted", "Place", "ProblemEvent", "ResultEvent", "Step", "StepEvent",
]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One planned operation of one host: `none`, `change`, `if:<step>` or `unknown:<step>`."""

    host: str
    step: str
    kind: str
    diff: str = ""

    @property
    def service(self) -> str:
        """The service that the step belongs to."""
        return self.step.partition(":")[0]

    @property
    def changes(self) -> bool:
        """Say whether the step may change something."""
        return self.kind != "none"


@dataclass(frozen=True)
class CommandResult:
    """What a root command on a host said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Confirmation:
    """What came of confirming one host's guard; `returns_at` is when an unconfirmed one returns the host."""

    host: str
    armed: bool
    ok: bool
    error: str = ""
    remedy: str = ""
    returns_at: str = ""


class Engine:
    """One child process for one environment. Use as a context manager; leaving it releases the lock."""

    def __init__(
        self,
        environment: Environment,
        instance: str,
        on_event: Callable[[Event], None] | None = None,
        debug: bool = False,
    ) -> None:
        self.environment = environment
        self.instance = instance
        self._on_event = on_event or (lambda event: None)
        self._debug = debug
        self._child: Child | None = None
        self._asked: str | None = None
        """The request that has no result yet."""
        self._previous: Any = None
        self._hosts: tuple[str, ...] = ()
        self._steps: tuple[Step, ...] = ()
        self._course = Course(())
        self.leases = Leases()
        """What became of the locks, to be told once the engine is closed."""

    def __enter__(self) -> Engine:
        own = {"TRUNKLINE_TWIN": self.instance} if self.environment.in_twin else {}
        if self._debug:
            own["TRUNKLINE_DEBUG"] = "1"
        self._child = Child(self._prefix(), {**os.environ, **own}, self._debug)
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, _as_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        result = None
        try:
            with contextlib.suppress(EngineDied):
                if self._asked is not None:
                    result = self._stop()
            self.close()
        finally:
            if self._previous is not None:
                signal.signal(signal.SIGTERM, self._previous)
        if isinstance(error, KeyboardInterrupt) and result is not None:
            raise Interrupted(result) from error

    def open(
        self,
        hosts: Iterable[str] | None = None,
        secrets: Mapping[str, str] | None = None,
        ports: Mapping[str, Iterable[int]] | None = None,
        **more: Any,
    ) -> tuple[HostEvent, ...]:
        """Connect to hosts (None: all). Returns the state of each; a host that fails is no exception.

        Raises TrunklineError for a name that the environment does not have.
        """
        result = self._ask(
            "open",
            environment=self.environment.name,
            instance=self.instance,
            hosts=None if hosts is None else list(hosts),
            secrets=dict(secrets or {}),
            ports={host: list(numbers) for host, numbers in (ports or {}).items()},
            **more,
        )
        if "hosts" not in result.fields:
            _fail(result)
        states = tuple(HostEvent(**state) for state in result.fields["hosts"])
        self._hosts = tuple(state.host for state in states if state.state == "connected")
        return states

    def command(
        self, host: str, script: str, input: str | None = None, timeout: int = 60, fenced: bool = False
    ) -> CommandResult:
        """Run a script as root on a host; `timeout` in seconds, `fenced` refuses without our lock."""
        return self._command("command", host=host, script=script, input=input, timeout=timeout, fenced=fenced)

    def agent(self, host: str, args: list[str], input: str | None = None, timeout: int = 60) -> CommandResult:
        """Run a command of the host agent as root, putting the agent there when it is absent."""
        return self._command("agent", host=host, args=args, input=input, timeout=timeout)

    def lock(self, purpose: str, holder: str, lease: int = LEASE_SECONDS, wait: float = 0) -> dict[str, int]:
        """Lock every connected host; returns the fencing tokens. `lease` and `wait` in seconds."""
        self.leases.taken(self._hosts, lease)
        result = self._demand("lock", purpose=purpose, holder=holder, lease=lease, wait=wait)
        return dict(result.fields["tokens"])

    def plan(
        self, hosts: Iterable[str] | None = None, images: Mapping[str, Mapping[str, str]] | None = None
    ) -> tuple[Step, ...]:
        """Plan hosts (None: all connected); returns every step, also those that change nothing.

        `images` are those that the controller has built (control/builds.py).
        """
        steps: list[Step] = []
        chosen = None if hosts is None else list(hosts)
        for event in self._stream("plan", hosts=chosen, images=dict(images or {})):
            if isinstance(event, StepEvent):
                steps.append(Step(event.host, event.step, event.change, event.diff))
            elif isinstance(event, ResultEvent) and not event.ok:
                _fail(event)
        self._steps = tuple(steps)
        return self._steps

    def apply(self, hosts: Iterable[str]) -> Iterator[Event]:
        """Apply the plan of these hosts, yielding events; raises ApplyFailed at its end when it failed."""
        batch = list(hosts)
        self._course = Course((s.host, s.step) for s in self._steps if s.host in batch and s.changes)
        for event in self._stream("apply", hosts=batch):
            if not isinstance(event, ResultEvent):
                yield event
            elif not event.ok:
                raise ApplyFailed(event)

    def confirm(self, hosts: Iterable[str] | None = None) -> tuple[Confirmation, ...]:
        """Confirm the guards that an earlier deploy left armed, each over a new connection.

        The lock must be held. A guard that cannot be confirmed is in the answer. What a deploy arms itself it
        confirms itself.
        """
        result = self._ask("confirm", hosts=None if hosts is None else list(hosts))
        if "hosts" not in result.fields:
            _fail(result)
        return tuple(Confirmation(**answer) for answer in result.fields["hosts"])

    def unlock(self) -> None:
        """Release the lock of every host."""
        self._demand("unlock")
        self.leases.given_back()

    def close(self) -> None:
        """Release the lock, close the connections and end the child."""
        child, self._child = self._child, None
        if child is not None:
            try:
                for event in child.end():
                    self._note(event)
            finally:
                self.leases.given_back() if child.ended_by_itself else self.leases.lost()

    def _prefix(self) -> list[str]:
        if not self.environment.in_twin:
            return []
        from twin.enter import enter_argv

        return enter_argv(self.instance, "controller")

    def _command(self, do: str, **fields: Any) -> CommandResult:
        said = self._demand(do, **fields).fields
        return CommandResult(said["returncode"], said["stdout"], said["stderr"])

    def _demand(self, do: str, **fields: Any) -> ResultEvent:
        result = self._ask(do, **fields)
        if not result.ok:
            _fail(result)
        return result

    def _ask(self, do: str, **fields: Any) -> ResultEvent:
        *_, result = self._stream(do, **fields)
        assert isinstance(result, ResultEvent)
        return result

    def _stream(self, do: str, **fields: Any) -> Iterator[Event]:
        """Send a request and yield its events, the result last; raises Interrupted after Ctrl-C."""
        if self._child is None:
            raise TrunklineError("The engine is not running.", "Use it as a context manager.")
        if self._asked is not None:
            self._stop()
            raise TrunklineError(f"The request {self._asked!r} was left before its end; it was stopped.")
        self._child.send({"do": do, **fields})
        self._asked = do
        while True:
            try:
                event = self._receive(self._child)
            except KeyboardInterrupt as error:
                raise Interrupted(self._stop()) from error
            yield event
            if isinstance(event, ResultEvent):
                return

    def _receive(self, child: Child) -> Event:
        try:
            event = child.receive()
        except EngineDied:
            self._asked = None
            raise
        if isinstance(event, ResultEvent):
            self._asked = None
        self._note(event)
        return event

    def _note(self, event: Event) -> None:
        if isinstance(event, StepEvent):
            self._course.note(event)
        elif isinstance(event, LockEvent):
            self.leases.kept(event)
        self._on_event(event)

    def _stop(self) -> ResultEvent:
        """Let what is running end, and the child with it; a second Ctrl-C, or the time limit, kills it."""
        child, do, result = self._child, self._asked or "", None
        assert child is not None
        limit = threading.Timer(STOP_SECONDS, child.kill)
        limit.start()
        try:
            child.send({"do": "stop"})
            while not isinstance(result, ResultEvent):
                result = self._receive(child)
            self.close()
        except (KeyboardInterrupt, EngineDied):
            child.kill()
            self.close()
        finally:
            limit.cancel()
            self._asked = None
        return result if isinstance(result, ResultEvent) else self._course.broken_off(do)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(result: ResultEvent) -> NoReturn:
    raise TrunklineError(result.error or f"The engine could not {result.do}.", result.remedy)
