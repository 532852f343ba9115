"""The hosts of an environment that we are connected to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import gevent

from control.errors import TrunklineError
from deploys._connector.connection import Connection
from deploys._connector.connector import lines
from deploys._connector.line import Line
from deploys._connector.route import route_to
from deploys._engine.wire import Wire
from inventories.model import Environment, Host

T = TypeVar("T")


class Fleet:
    """Opens, looks up and closes the lines to hosts; tells the parent about each."""

    def __init__(self, environment: Environment, instance: str, wire: Wire) -> None:
        self.environment = environment
        self.instance = instance
        self.wire = wire
        self.lines: dict[str, Line] = {}
        self.routes: dict[str, Any] = {}

    def open(
        self, names: Iterable[str], ports: Mapping[str, Iterable[int]], ssh: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Connect to hosts at the same time; return the state of each, in the given order."""
        hosts = [self.environment.host(name) for name in names]
        for host in hosts:
            further = ports.get(host.name, ())
            self.routes[host.name] = route_to(
                self.environment, host, self.instance, further, ssh.get(host.name)
            )
        return list(at_once(self._open_one, hosts))

    def _open_one(self, host: Host) -> dict[str, Any]:
        route = self.routes[host.name]
        state: dict[str, Any] = {"host": host.name, "address": route.address, "user": "", "port": 0}
        self.wire.emit("host", **state, state="connecting")
        connection = Connection(route)
        try:
            connection.connect()
        except TrunklineError as error:
            state |= {"state": "failed", "error": error.message, "remedy": error.remedy}
        else:
            state |= {"state": "connected", "user": connection.login.user, "port": connection.login.port}
            self.lines[host.name] = lines[self.pyinfra_name(host.name)] = Line(connection)
        self.wire.emit("host", **state)
        return state

    def pyinfra_name(self, host: str) -> str:
        """Return what pyinfra calls a host."""
        return f"@trunkline/{self.environment.name}/{host}"

    def line(self, host: str) -> Line:
        """Return the line to a host; raises TrunklineError for one that is not connected."""
        if host not in self.lines:
            connected = ", ".join(self.lines) or "none"
            raise TrunklineError(f"{host} is not connected; connected: {connected}.")
        return self.lines[host]

    def chosen(self, names: Iterable[str] | None) -> list[str]:
        """Return the named hosts, or all connected ones; raises TrunklineError for a name not connected."""
        if not self.lines:
            raise TrunklineError("None of the hosts is connected.", "Their own errors say why.")
        if names is None:
            return [host.name for host in self.environment.hosts if host.name in self.lines]
        wanted = list(names)
        for name in wanted:
            self.line(name)
        return wanted

    def lost(self, host: str, error: TrunklineError) -> None:
        """Tell that the connection to a host broke."""
        self.wire.emit("host", host=host, state="lost", error=error.message, remedy=error.remedy)

    def close(self) -> None:
        """Close every connection."""
        at_once(lambda name: self.lines[name].connection.close(), list(self.lines))
        for name in self.lines:
            lines.pop(self.pyinfra_name(name), None)
        self.lines.clear()


def at_once(work: Callable[[Any], T], items: list[Any]) -> list[T]:
    """Do the same work for all items at the same time; return the results in order, raise the first error."""
    running = [gevent.spawn(work, item) for item in items]
    gevent.joinall(running)
    return [each.get() for each in running]
