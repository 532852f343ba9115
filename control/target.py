"""What a command works on: one environment, as which instance, and which of its hosts."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from control import advice, places
from control.errors import TrunklineError
from control.pins import known_hosts_of
from inventories.model import Environment, Host, ModelError, environment_names, load

INVENTORIES = Path(__file__).resolve().parent.parent / "inventories"


@dataclass(frozen=True)
class Target:
    """An environment as one instance (its twin's name where it lives in one), and the chosen hosts."""

    environment: Environment
    instance: str
    hosts: tuple[Host, ...]

    @property
    def limited(self) -> bool:
        """Say whether `--limit` left hosts out."""
        return len(self.hosts) < len(self.environment.hosts)

    @property
    def names(self) -> list[str]:
        """The chosen hosts' names, in the inventory's order."""
        return [host.name for host in self.hosts]

    @property
    def known_hosts(self) -> Path:
        """The file of this instance's pinned host keys."""
        return known_hosts_of(self.environment, self.instance)

    @property
    def history(self) -> Path:
        """The directory of this instance's records."""
        return places.history_of(self.instance, in_twin=self.environment.in_twin)


def target(env: str, limit: str = "", twin: str = "") -> Target:
    """Load an environment and choose from its hosts.

    `limit` is a comma-separated list of host names, empty for all. Raises TrunklineError for a name that
    nobody declared, ModelError for an environment that is refused.
    """
    advice.about(env)
    environment = _load(env)
    if twin and not environment.in_twin:
        raise TrunklineError(
            f"--twin does not apply to {env}: its hosts are real servers.",
            "Leave --twin out, or use `invoke rehearse` to try this environment on this machine.",
        )
    instance = places.instance_of(environment.name, in_twin=environment.in_twin, twin=twin or None)
    advice.about(environment.name, instance)
    return Target(environment, instance, _chosen(environment, limit))


def _chosen(environment: Environment, limit: str) -> tuple[Host, ...]:
    wanted = [name.strip() for name in limit.split(",") if name.strip()]
    if limit.strip(" ,") == "" and limit:
        raise TrunklineError("--limit names no host.", "Give host names, separated by commas.")
    known = [host.name for host in environment.hosts]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise TrunklineError(
            f"--limit names {', '.join(unknown)}, which {environment.name} does not declare.",
            f"Its hosts are: {', '.join(known)}.",
        )
    return tuple(host for host in environment.hosts if not wanted or host.name in wanted)


def _load(name: str) -> Environment:
    try:
        return load(name)
    except ModelError:
        raise
    except LookupError as error:
        if name in environment_names():
            raise _unreadable(name, error) from error
        raise TrunklineError(
            f"There is no environment {name!r}.", f"Known: {', '.join(environment_names())}."
        ) from error
    except Exception as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> TrunklineError:
    """Say at which line an inventory breaks, in Python's own words."""
    path = INVENTORIES / f"{name}.py"
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename) == path:
            line = frame.lineno
    where = f"inventories/{name}.py" + (f", line {line}" if line else "")
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return TrunklineError(
        f"{where} cannot be read: {reason.strip() or type(error).__name__}.",
        "Correct the inventory; `invoke lint` shows what else it would be refused for.",
    )
