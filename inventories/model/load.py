"""Find an environment by its name."""

from __future__ import annotations

import importlib
from pathlib import Path

from inventories.model.environment import Environment

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
    environment: Environment = importlib.import_module(f"inventories.{name}").environment
    return environment
