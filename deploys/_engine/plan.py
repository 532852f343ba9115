"""Plan: run the deploys in pyinfra's prepare stage and list what each operation would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyinfra.api.config import Config
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_state

from control.errors import TrunklineError
from deploys._engine import report
from deploys._engine.fleet import Fleet, at_once
from inventories.model import Environment, Host

Deploy = Callable[[Host, Environment], None]


@dataclass(frozen=True)
class Step:
    """One operation on one host, and what it would do."""

    host: str
    name: str
    kind: str
    diff: str
    operation: str
    """pyinfra's own key of the operation."""


@dataclass
class Plan:
    """The steps of every host in order, and the pyinfra state that can execute them."""

    state: State
    hosts: dict[str, PyinfraHost]
    steps: dict[str, list[Step]]
    problems: dict[str, TrunklineError]
    applied: set[str] = field(default_factory=set)


def make_plan(fleet: Fleet, names: list[str], deploy: Deploy) -> Plan:
    """Plan every named host at the same time. A host that cannot be planned is in `problems`."""
    state, hosts = _state_for(fleet, names)
    report.clear()
    plan = Plan(state, hosts, {}, {})

    def one(name: str) -> None:
        try:
            _run_deploy(state, hosts[name], fleet.environment, deploy)
            plan.steps[name] = _steps(state, hosts[name], name)
        except TrunklineError as error:
            plan.problems[name] = error
        except PyinfraError as error:
            plan.problems[name] = TrunklineError(f"{name} cannot be planned: {error}")

    at_once(one, names)
    return plan


def _state_for(fleet: Fleet, names: list[str]) -> tuple[State, dict[str, PyinfraHost]]:
    data = {"environment": fleet.environment.name}
    inventory = Inventory(([(fleet.pyinfra_name(name), dict(data)) for name in names], {}))  # type: ignore[no-untyped-call]
    state = State(inventory, Config())  # type: ignore[no-untyped-call]
    ctx_state.set(state)  # type: ignore[no-untyped-call]
    state.set_stage(StateStage.Connect)
    hosts = {}
    for place, name in enumerate(names):
        hosts[name] = host = inventory.get_host(fleet.pyinfra_name(name))
        # Operations are keyed by their position: without this, two hosts' operations would share a key.
        host.loop_position.append(place)
        host.connect()
        state.activate_host(host)
    state.set_stage(StateStage.Prepare)
    return state, hosts


def _run_deploy(state: State, host: PyinfraHost, environment: Environment, deploy: Deploy) -> None:
    record = environment.host(host.name.rpartition("/")[2])
    with ctx_config.use(state.config.copy()), ctx_host.use(host):
        deploy(record, environment)


def _steps(state: State, host: PyinfraHost, name: str) -> list[Step]:
    """Return the steps of one host; raises TrunklineError for a step without a name of its own."""
    reports = {step: said for (whose, step), said in report.all().items() if whose == host.name}
    kinds: dict[str, str] = {}
    names: dict[str, str] = {}
    steps = []
    for operation in host.op_hash_order:
        data = state.ops[host][operation]
        step = str(data.global_arguments.get("name") or "")
        if not step or step in kinds:
            what = ", ".join(state.op_meta[operation].names)
            raise TrunklineError(
                f"{name}: two steps are called {step!r}."
                if step
                else f"{name}: a step ({what}) has no name.",
                'Give each operation name="<service>: <what>", once a host.',
            )
        names[operation] = step
        said = reports.get(step)
        kind = _kind(name, step, bool(data.operation_meta._maybe_is_change), said)
        kinds[step] = _conditional(kind, data.global_arguments.get("_if"), names, kinds)
        steps.append(Step(name, step, kinds[step], said.diff if said else "", operation))
    return steps


def _kind(host: str, step: str, has_commands: bool, said: report.Report | None) -> str:
    if said is None:
        return "change" if has_commands else "none"
    if said.kind == "none" and has_commands:
        raise TrunklineError(f"{host}: {step}: it reports no change and yet has commands to run.")
    return said.kind


def _conditional(kind: str, conditions: Any, names: dict[str, str], kinds: dict[str, str]) -> str:
    """Return `if:<steps>` for an operation that waits for others, `none` when none of those will change."""
    if kind == "none":
        return kind
    listed = conditions if isinstance(conditions, list) else [conditions] if conditions else []
    awaited = [names[each._hash] for condition in listed for each in report.awaited(condition)]
    if not awaited and kind.startswith("if:"):
        awaited = [step for step in [kind.removeprefix("if:")] if step in kinds]
    if not awaited:
        return kind
    live = [step for step in dict.fromkeys(awaited) if kinds.get(step, "none") != "none"]
    return f"if:{' or '.join(live)}" if live else "none"
