"""The secrets that a check must know to try them: opened here, handed on by stdin, never as an argument.

Where pytest itself starts the checks nobody else has opened the store. Missing ones are never made here.
"""

from __future__ import annotations

from control.errors import TrunklineError
from control.secrets import store_of
from control.target import Target
from inventories.model import Environment, Secret
from verify.verdict import NotProven


class Passwords:
    """The environment's secrets, opened when the first one is asked for."""

    def __init__(self, environment: Environment, instance: str) -> None:
        self._target = Target(environment, instance, environment.hosts)
        self._values: dict[str, str] | None = None

    def of(self, secret: Secret) -> str:
        """Return a secret's value. Raises NotProven where this place may not read it."""
        if self._values is None:
            try:
                self._values = store_of(self._target).values()
            except TrunklineError as error:
                raise NotProven(error.message, "a password to try", error.remedy, gates=False) from None
        if secret.name not in self._values:
            raise NotProven(f"the secret {secret.name} has no value here", "a password to try", gates=False)
        return self._values[secret.name]
