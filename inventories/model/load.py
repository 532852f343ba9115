"""Find an environment by its name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inventories.model.environment import Environment
from inventories.model.fault import Broken, Reading, problem_of, reading
from inventories.model.problem import ModelError, Problem
from inventories.model.rehearsal import booted_as, is_rehearsed, rehearsed

INVENTORIES = Path(__file__).resolve().parent.parent


def environment_names() -> tuple[str, ...]:
    """Return the names of the environments that have an inventory file."""
    return tuple(sorted(path.stem for path in INVENTORIES.glob("[a-z]*.py")))


def load(name: str) -> Environment:
    """Return the environment declared in `inventories/<name>.py`.

    Raises LookupError when there is no such inventory, ModelError with every problem when it is refused.
    """
    if name not in environment_names():
        raise LookupError(f"no environment {name!r}; there are: {', '.join(environment_names())}")
    module = f"inventories.{name}"
    try:
        environment = checked(lambda: _declared(name, module))
    except BaseException:
        sys.modules.pop(module, None)
        raise
    if environment.name != name:
        raise ModelError([_misnamed(name, environment)])
    return environment


def stood_in(name: str) -> tuple[tuple[str, str, str], ...]:
    """Return the hosts that a rehearsal boots as another release: host, declared release, booted release.

    Nothing where this process does not rehearse the environment of that name.
    """
    if not is_rehearsed(name) or name not in environment_names():
        return ()
    declared: Environment = importlib.import_module(f"inventories.{name}").environment
    booted = ((host.name, host.os, booted_as(host)) for host in declared.hosts)
    return tuple((name, declares, boots) for name, declares, boots in booted if declares != boots)


def _declared(name: str, module: str) -> Any:
    found = getattr(importlib.import_module(module), "environment", None)
    return rehearsed(found) if is_rehearsed(name) and isinstance(found, Environment) else found


def checked(declare: Callable[[], Any]) -> Environment:
    """Return the environment that `declare` makes.

    Raises ModelError with every problem of every record, and what is wrong between those that are right.
    """
    with reading() as here:
        declared = declare()
    problems = set(_problems(declared, here))
    if problems or not isinstance(declared, Environment):
        raise ModelError(problems)
    return declared


def _problems(declared: Any, here: Reading) -> list[Problem]:
    faults = [*(declared.faults if isinstance(declared, Broken) else ()), *here.loose(declared)]
    problems = [problem_of(each) for each in faults]
    whole = declared.remainder if isinstance(declared, Broken) else declared
    if isinstance(whole, Environment):
        wrong = {each.name: each.fields for each in here.broken if each.record == "Host"}
        own = declared.fields if isinstance(declared, Broken) else frozenset()
        found = whole.lint({**wrong, "": own - {"hosts"}})
        problems += [each for each in found if each.host or each.field.partition("[")[0] not in own]
    elif not isinstance(declared, Broken):
        problems.append(
            Problem(
                "",
                "",
                "",
                "nothing named environment",
                "one Environment",
                "write environment = Environment(...)",
            )
        )
    return problems


def _misnamed(name: str, environment: Environment) -> Problem:
    return Problem(
        "",
        "",
        "name",
        f"{environment.name} stands in inventories/{name}.py",
        "the name of its file",
        f'write name="{name}", or rename the file',
    )
