"""What the parent can ask for, one request after another."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from gevent.event import Event

from control.errors import TrunklineError
from deploys._connector import agent
from deploys._connector.connection import Outcome
from deploys._connector.hold import Hold, acquire
from deploys._engine import images, secrets
from deploys._engine.apply import Application
from deploys._engine.confirm import confirm_earlier
from deploys._engine.fleet import Fleet, at_once
from deploys._engine.plan import Deploy, Plan, make_plan
from deploys._engine.wire import Wire
from inventories.model import ModelError, load

DEPLOY = "deploys.site:site"
LEASE_SECONDS = 60
COMMAND_SECONDS = 60

Request = dict[str, Any]
Result = dict[str, Any]


class Session:
    """One environment from open to close."""

    def __init__(self, wire: Wire, stopping: Event) -> None:
        self.wire = wire
        self.stopping = stopping
        self._fleet: Fleet | None = None
        self._holds: dict[str, Hold] = {}
        self._plan: Plan | None = None
        self._deploy = DEPLOY

    @property
    def fleet(self) -> Fleet:
        """The open hosts; raises TrunklineError before `open`."""
        if self._fleet is None:
            raise TrunklineError("No environment is open yet.")
        return self._fleet

    def handle(self, request: Request) -> Result:
        """Do what a request asks; raises TrunklineError, whose sentence becomes the result."""
        does: dict[str, Callable[[Request], Result]] = {
            "open": self._open,
            "lock": self._lock,
            "plan": self._make_plan,
            "apply": self._apply,
            "command": self._command,
            "agent": self._agent,
            "confirm": self._confirm,
            "unlock": lambda _: self._unlock(),
            "close": lambda _: self.close(),
        }
        what = request.get("do", "")
        if what not in does:
            raise TrunklineError(
                f"The engine does not know the request {what!r}; it knows: {', '.join(does)}."
            )
        return does[what](request)

    def abandon(self) -> None:
        """End the commands that are running, on every host at the same time."""
        if self._fleet is not None:
            at_once(lambda line: line.connection.abandon(), list(self._fleet.lines.values()))

    def close(self) -> Result:
        """Release the lock and close every connection."""
        result = self._unlock()
        if self._fleet is not None:
            self._fleet.close()
        return result

    def _open(self, request: Request) -> Result:
        try:
            environment = load(request["environment"])
        except (LookupError, ModelError) as error:
            raise TrunklineError(
                f"The inventory is refused: {error}", "`invoke lint` shows all of it."
            ) from error
        instance = request.get("instance") or environment.name
        known = [host.name for host in environment.hosts]
        names = request.get("hosts") or known
        unknown = [name for name in names if name not in known]
        if unknown:
            raise TrunklineError(
                f"{environment.name} has no host {', '.join(unknown)}.", f"Its hosts are: {', '.join(known)}."
            )
        if environment.in_twin:
            os.environ["TRUNKLINE_TWIN"] = instance
        self.close()
        secrets.load(request.get("secrets") or {})
        self._deploy = request.get("deploy") or DEPLOY
        self._fleet = Fleet(environment, instance, self.wire)
        states = self._fleet.open(names, request.get("ports") or {}, request.get("ssh") or {})
        failed = [state["error"] for state in states if state["state"] != "connected"]
        return {"ok": not failed, "hosts": states, **({"error": " ".join(failed)} if failed else {})}

    def _lock(self, request: Request) -> Result:
        names = [name for name in self.fleet.chosen(request.get("hosts")) if name not in self._holds]

        def one(name: str) -> None:
            self._holds[name] = acquire(
                self.fleet.line(name),
                request["holder"],
                request["purpose"],
                int(request.get("lease") or LEASE_SECONDS),
                float(request.get("wait") or 0),
                self.stopping.is_set,
            )

        try:
            # The first host decides between two deploys that start at once; the others follow together.
            at_once(one, names[:1])
            at_once(one, names[1:])
        except TrunklineError:
            self._unlock()
            raise
        return {"ok": True, "tokens": {name: hold.token for name, hold in self._holds.items()}}

    def _make_plan(self, request: Request) -> Result:
        names = self.fleet.chosen(request.get("hosts"))
        images.load(request.get("images") or {})
        plan = self._plan = make_plan(self.fleet, names, _function(self._deploy))
        for steps in (plan.steps.get(name, []) for name in names):
            for step in steps:
                self.wire.emit(
                    "step", phase="plan", host=step.host, step=step.name, change=step.kind, diff=step.diff,
                    status="planned",
                )  # fmt: skip
        for name, error in plan.problems.items():
            self.wire.emit("problem", host=name, error=error.message, remedy=error.remedy)
        changes = sum(step.kind != "none" for steps in plan.steps.values() for step in steps)
        return {"changes": changes, **_verdict(plan.problems)}

    def _apply(self, request: Request) -> Result:
        names = self.fleet.chosen(request.get("hosts"))
        plan = self._plan
        for name in names:
            if plan is None or name not in plan.steps:
                raise TrunklineError(f"{name} has no plan that could be applied.", "Plan it first.")
            if name in plan.applied:
                raise TrunklineError(f"The plan of {name} was applied already.", "Plan again.")
            if name not in self._holds:
                raise TrunklineError(f"The lock of {name} is not held.", "Lock it before applying.")
        assert plan is not None
        application = Application(self.fleet, plan, names, self.stopping)
        application.run()
        result: Result = {"ok": True, "done": application.done, "not_done": application.not_done}
        result["cut"] = application.cut
        if application.failed is not None:
            step, error = application.failed
            failed = {"host": step.host, "step": step.name, "error": error.message}
            result |= {"ok": False, "failed": failed, "error": error.message, "remedy": error.remedy}
        elif self.stopping.is_set():
            result |= {"ok": False, "interrupted": True, "error": "Stopped on request."}
        return result

    def _command(self, request: Request) -> Result:
        line = self.fleet.line(request["host"])
        stdin = (request.get("input") or "").encode()
        seconds = int(request.get("timeout") or COMMAND_SECONDS)
        if request.get("fenced"):
            return _said(line.change(request["script"], stdin, seconds))
        line.forget()
        return _said(line.connection.run(request["script"], stdin, seconds))

    def _agent(self, request: Request) -> Result:
        line = self.fleet.line(request["host"])
        stdin = (request.get("input") or "").encode()
        seconds = int(request.get("timeout") or COMMAND_SECONDS)
        line.forget()
        return _said(agent.call(line.connection, request["args"], stdin, seconds))

    def _confirm(self, request: Request) -> Result:
        fleet = self.fleet

        def one(name: str) -> Result:
            return confirm_earlier(fleet.line(name), fleet.environment.host(name))

        hosts = at_once(one, fleet.chosen(request.get("hosts")))
        failed = {
            host["host"]: TrunklineError(host["error"], host["remedy"]) for host in hosts if not host["ok"]
        }
        return {"hosts": hosts, **_verdict(failed)}

    def _unlock(self) -> Result:
        holds, self._holds = self._holds, {}
        problems: dict[str, TrunklineError] = {}

        def one(name: str) -> None:
            try:
                holds[name].release()
            except TrunklineError as error:
                seconds = holds[name].lease
                self.wire.emit("lock", host=name, error=error.message, seconds=seconds)
                problems[name] = TrunklineError(
                    f"The lock of {name} could not be released: {error.message}",
                    f"It ends by itself within {seconds} s.",
                )

        at_once(one, list(holds))
        return _verdict(problems)


def _function(path: str) -> Deploy:
    module, _, name = path.partition(":")
    found: Deploy = getattr(importlib.import_module(module), name)
    return found


def _verdict(problems: dict[str, TrunklineError]) -> Result:
    if not problems:
        return {"ok": True}
    errors = list(problems.values())
    remedies = dict.fromkeys(error.remedy for error in errors if error.remedy)
    return {"ok": False, "error": "\n".join(e.message for e in errors), "remedy": " ".join(remedies)}


def _said(outcome: Outcome) -> Result:
    return {"ok": True, "returncode": outcome.code, "stdout": outcome.text, "stderr": outcome.errors}
