"""What confirms a guard: a login of the deploy user on the declared port, whatever ssh_config says."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from ssh_peer import Peer, peer

from control.errors import TrunklineError
from deploys._connector.connection import Connection
from deploys._connector.failure import Unreachable
from deploys._connector.route import Route, route_to
from inventories.lab import environment as lab
from inventories.model import Ssh

REAL = lab.model_copy(update={"name": "real", "domain": "real.example", "in_twin": False})
RELAY = f"{sys.executable} {Path(__file__).parent}/relay.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("peer")) as started:
        yield started


@pytest.fixture
def host(server: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peer:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    server.admit("alice")
    server.sudo(works=True)
    return server


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def way(host: Peer, declared: int, config: str) -> Route:
    """Return the way to a real host whose sshd is declared on a port, beside what ssh_config says of it."""
    text = f"{config}\nHost *\n  IdentityFile {host.key}\n  IdentitiesOnly yes\n"
    (Path.home() / ".ssh/config").write_text(text)
    update = {"address": IPv4Interface("127.0.0.1/32"), "ssh": Ssh(port=declared)}
    return route_to(
        REAL, REAL.host("edge1").model_copy(update=update), "real",
        override={"known_hosts": [str(host.known_hosts)]},
    )  # fmt: skip


def unproven(connection: Connection) -> TrunklineError:
    with pytest.raises(Unreachable) as caught:
        connection.anew()
    return caught.value


def test_the_old_port_and_another_user_of_ssh_config_get_in_but_prove_nothing(
    host: Peer, closed_port: int
) -> None:
    route = way(host, closed_port, f"Host *\n  Port {host.port}\n  User alice")
    first = Connection(route)
    first.connect()
    assert (first.login.user, first.login.port) == ("alice", host.port)
    assert unproven(first).message == f"edge1 (127.0.0.1) refuses connections to port {closed_port}."
    first.close()


def test_another_user_on_the_declared_port_proves_nothing(host: Peer) -> None:
    first = Connection(way(host, host.port, "User alice"))
    first.connect()
    assert "deploy is not let in" in unproven(first).message
    host.admit("alice", "deploy")
    fresh = first.anew()
    assert (fresh.login.user, fresh.login.port) == ("deploy", host.port)
    fresh.close()
    first.close()


def test_ssh_config_leads_to_the_declared_port_through_a_jump_host(
    host: Peer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host.admit("deploy")
    with peer(tmp_path_factory.mktemp("jump")) as jump:
        entry = f"Host 127.0.0.1 edge1\n  ProxyJump root@bastion:{jump.port}\n  Port 1"
        config = f"{entry}\nHost bastion\n  HostName 127.0.0.1\n  IdentityFile {jump.key}"
        (Path.home() / ".ssh/known_hosts").write_text(jump.known_hosts.read_text())
        connection = Connection(way(host, host.port, config))
        connection.connect()
        fresh = connection.anew()
        assert [below.getpeername()[1] for below in fresh.login.below] == [jump.port]
        assert fresh.run("echo through").text == "through\n"
        fresh.close()
        connection.close()


def test_a_proxy_command_is_started_for_the_port_that_is_tried(host: Peer, closed_port: int) -> None:
    host.admit("deploy")
    connection = Connection(way(host, closed_port, f"Port {host.port}\nProxyCommand {RELAY} 127.0.0.1 %p"))
    connection.connect()
    assert connection.login.port == host.port
    said = unproven(connection).message
    assert f"is not heard through its ProxyCommand (port {closed_port}: " in said
    assert "Connection refused" in said
    connection.close()


def test_a_proxy_command_that_leads_to_the_declared_port_proves_it(host: Peer) -> None:
    host.admit("deploy")
    connection = Connection(way(host, host.port, f"ProxyCommand {RELAY} 127.0.0.1 {host.port}"))
    connection.connect()
    connection.anew().close()
    connection.close()


def test_a_proxy_command_that_leads_to_another_port_proves_nothing(host: Peer, closed_port: int) -> None:
    host.admit("deploy")
    connection = Connection(way(host, closed_port, f"ProxyCommand {RELAY} 127.0.0.1 {host.port}"))
    connection.connect()
    error = unproven(connection)
    assert f"leads to port {host.port} of it, not to the declared {closed_port}" in error.message
    assert "%p" in error.remedy
    connection.close()
