"""An engine on a bench: its child stays in this machine's network, its hosts are test servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ssh_peer import Peer, peer

from control.engine import Engine, Event, StepEvent
from inventories.lab import environment

HOSTS = ("edge1", "edge2")


class Here(Engine):
    """An engine whose child stays in this machine's own network, where the test's servers are."""

    def _prefix(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Peer]]:
    with peer(tmp_path_factory.mktemp("edge1")) as one, peer(tmp_path_factory.mktemp("edge2")) as two:
        yield {"edge1": one, "edge2": two}


class Bench:
    """Opens engines on the test's servers and collects what they tell."""

    def __init__(self, servers: dict[str, Peer]) -> None:
        self.servers = servers
        self.events: list[Event] = []

    @contextmanager
    def engine(self, deploy: str, *hosts: str, locked: bool = True) -> Iterator[Engine]:
        with Here(environment, "lab", self.events.append) as engine:
            names = hosts or ("edge1",)
            ways = {name: self.servers[name].ssh() for name in names}
            secrets = {"word": "correct horse battery"}
            states = engine.open(names, secrets, ssh=ways, deploy=f"engine_site:{deploy}")
            assert [state.state for state in states] == ["connected"] * len(names)
            for name in names:
                assert engine.command(name, "rm -rf /var/lib/trunkline/*").returncode == 0
            if locked:
                engine.lock("a test", "me", lease=20)
            yield engine

    def statuses(self) -> list[tuple[str, str, str]]:
        steps = [event for event in self.events if isinstance(event, StepEvent) and event.phase == "apply"]
        return [(event.host, event.step, event.status) for event in steps]


@pytest.fixture
def bench(servers: dict[str, Peer], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for server in servers.values():
        server.admit("root")
    return Bench(servers)


def look(engine: Engine, script: str, host: str = "edge1") -> str:
    return engine.command(host, f"cd /var/lib/trunkline; {script}").stdout
