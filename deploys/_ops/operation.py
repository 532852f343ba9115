"""pyinfra's operations, typed as ours are called: `name=` always, `_if=` where a step waits for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from pyinfra.api.operation import OperationMeta
from pyinfra.api.operation import operation as pyinfra_operation

Operation = Callable[..., OperationMeta]


def operation(commands: Callable[..., Iterator[Any]]) -> Operation:
    """Make an operation of a generator: it looks, reports its plan once, then yields what is to be done."""
    return cast(Operation, pyinfra_operation()(cast(Any, commands)))
