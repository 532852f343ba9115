"""What operations say about themselves while they are planned: their kind and their diff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyinfra.api.operation import OperationMeta
from pyinfra.context import host as present_host

KINDS = ("none", "change", "if:", "unknown:")


@dataclass(frozen=True)
class Report:
    """One step as it was planned: `none`, `change`, `if:<step>` or `unknown:<step>`, and a unified diff."""

    kind: str
    diff: str = ""


_reports: dict[tuple[str, str], Report] = {}


def plan(step: str | None, kind: str, diff: str = "") -> None:
    """Record what a step of the present host will do; `step` None means the operation that is running.

    Raises ValueError for a kind that does not exist.
    """
    if kind not in KINDS and not kind.startswith(("if:", "unknown:")):
        raise ValueError(f"a plan's kind is none, change, if:<step> or unknown:<step>, not {kind!r}")
    _reports[(_host().name, own_step() if step is None else step)] = Report(kind, diff)


def own_step() -> str:
    """Return the `name=` of the operation that is running, such as `ssh: files`."""
    arguments = _host().current_op_global_arguments
    if not arguments or not arguments.get("name"):
        raise LookupError("no named operation is running")
    return str(arguments["name"])


step = own_step
"""The name that operations use."""


def token() -> int:
    """Return the fencing token that the present host gave us; 0 while planning and on fake hosts."""
    host = _host()
    return int(getattr(host.connector, "fencing_token", 0)) if host.state.is_executing else 0


def all() -> dict[tuple[str, str], Report]:
    """Return every report by (pyinfra's host name, step)."""
    return dict(_reports)


def clear(host: str | None = None) -> None:
    """Forget the reports of one host, or of all."""
    for key in [key for key in _reports if host is None or key[0] == host]:
        del _reports[key]


class Changed:
    """True when any of the operations it was made of changed something; the engine can look inside."""

    def __init__(self, operations: tuple[OperationMeta, ...]) -> None:
        self.operations = operations

    def __call__(self) -> bool:
        return any(operation.did_change() for operation in self.operations)


def changed(*operations: OperationMeta) -> Changed:
    """Return a condition for `_if=`: at least one of these operations changed something."""
    return Changed(operations)


def awaited(condition: Callable[[], bool]) -> tuple[OperationMeta, ...]:
    """Return the operations that a condition waits for; nothing when it cannot be looked into."""
    if isinstance(condition, Changed):
        return condition.operations
    owner = getattr(condition, "__self__", None)
    return (owner,) if isinstance(owner, OperationMeta) else ()


def _host() -> Any:
    return present_host
