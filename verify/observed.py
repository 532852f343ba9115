"""Everything that is looked at in one run, each thing once: begun early, asked for when needed."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar, cast

from control.operator import operator
from inventories.model import Environment, Host
from verify.children import end_all
from verify.collector import collect
from verify.connection import Connection, Way, connect
from verify.snapshot import Snapshot
from verify.station import Station
from verify.vantage import Vantage

T = TypeVar("T")
AT_ONCE = 12


class Observed:
    """The looks of one run. Each is made at most once a host, in a thread of its own; errors are kept too."""

    def __init__(
        self, environment: Environment, instance: str, vantages: dict[str, Vantage], *, thorough: bool = False
    ) -> None:
        self.environment, self.instance, self.vantages = environment, instance, vantages
        self.thorough = thorough
        self.around_tunnels: dict[str, Vantage] = {}
        """Places that only tunnels are looked at from: they are nobody's who knocks at a port."""
        self.station: Station | None = None
        """Where probes are forked."""
        self.directory = Path(tempfile.mkdtemp(prefix="trunkline-", dir=operator().temporary))
        self.way = Way(environment, instance, self.directory)
        self.way.write()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look")
        self._looks: dict[tuple[str, str], Future[Any]] = {}
        self._guard = threading.Lock()

    def start(self, name: str, host: Host, look: Callable[[Observed, Host], T]) -> Future[T]:
        """Begin to look, unless that was begun before."""
        with self._guard:
            if (name, host.name) not in self._looks:
                self._looks[name, host.name] = self._pool.submit(look, self, host)
            return cast("Future[T]", self._looks[name, host.name])

    def get(self, name: str, host: Host, look: Callable[[Observed, Host], T]) -> T:
        """Return what was seen, waiting for it. Raises what the look raised.

        What nobody has begun is looked at here and now: a look that waits for another one never waits for a
        free thread.
        """
        with self._guard:
            begun = self._looks.get((name, host.name))
            future: Future[T] = cast("Future[T]", begun) if begun is not None else Future()
            self._looks[name, host.name] = future
        if begun is None:
            try:
                future.set_result(look(self, host))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def begin(self, hosts: Iterable[Host], looks: dict[str, Callable[[Observed, Host], Any]]) -> None:
        """Begin several looks at every host."""
        for name, look in looks.items():
            for host in hosts:
                self.start(name, host, look)

    def connection(self, host: Host) -> Connection:
        """Return the connection to a host. Raises Unreachable."""
        return self.get("connection", host, lambda observed, h: connect(observed.way, h))

    def snapshot(self, host: Host) -> Snapshot:
        """Return what the host shows from inside. Raises Unreachable."""
        return self.get("snapshot", host, _snapshot)

    def close(self) -> None:
        """End all connections and forget the sockets."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        end_all()
        self._pool.shutdown(wait=True)
        if self.station is not None:
            self.station.close()
        for (name, _), future in self._looks.items():
            if name == "connection" and not future.cancelled() and future.exception() is None:
                future.result().close()
        rmtree(self.directory, ignore_errors=True)


def _snapshot(observed: Observed, host: Host) -> Snapshot:
    return collect(observed.connection(host), observed.environment)
