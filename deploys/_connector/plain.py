"""A line that pyinfra opens on its own: `pyinfra inventories/lab.py deploys/site.py`, without our engine."""

from __future__ import annotations

import getpass
import socket

from control import places
from control.errors import TrunklineError
from deploys._connector.connection import Connection
from deploys._connector.hold import Hold, acquire
from deploys._connector.line import Line
from deploys._connector.route import route_to
from deploys._engine import images, secrets
from inventories.model import Environment, ModelError, load

LEASE_SECONDS = 60
_ready: dict[str, str] = {}


class PlainLine:
    """A line whose lock is taken before its first change, so never by a dry run, and released at the end."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._hold: Hold | None = None
        line.before_change = self._lock

    def close(self) -> None:
        """Release the lock and hang up."""
        if self._hold is not None:
            self._hold.release()
        self.line.connection.close()

    def _lock(self) -> None:
        if self._hold is None:
            holder = f"{getpass.getuser()}@{socket.gethostname()}"
            self._hold = acquire(self.line, holder, "pyinfra", LEASE_SECONDS)


def open_line(name: str) -> PlainLine:
    """Connect to `@trunkline/<environment>/<host>`; raises TrunklineError with the remedy."""
    environment, host = _named(name)
    instance = _prepared(environment)
    line = Line(Connection(route_to(environment, environment.host(host), instance)))
    line.connection.connect()
    return PlainLine(line)


def _named(name: str) -> tuple[Environment, str]:
    _, _, path = name.partition("/")
    environment, _, host = path.partition("/")
    try:
        found = load(environment)
        found.host(host)
    except (LookupError, ModelError) as error:
        raise TrunklineError(
            f"{name} is no host of an inventory: {error}.", "Write @trunkline/<environment>/<host>."
        ) from error
    return found, host


def _prepared(environment: Environment) -> str:
    """Enter the twin's network where the environment lives in one, and open the secrets; once a process."""
    if environment.name not in _ready:
        instance = places.instance_of(environment.name, in_twin=environment.in_twin)
        if environment.secrets():
            from control.secrets import store_of
            from control.target import target

            secrets.load(store_of(target(environment.name)).needed(environment.secrets()))
        _build(environment)
        if environment.in_twin:
            from twin.enter import enter

            enter(instance, "controller")
        _ready[environment.name] = instance
    return _ready[environment.name]


def _build(environment: Environment) -> None:
    """Have the declared images built, by the same builder as `invoke deploy`."""
    from control.builds import built
    from control.progress import SilentBoard
    from control.target import target

    images.load(built(target(environment.name), SilentBoard()))
