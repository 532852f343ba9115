"""How verify reaches a real host: by OpenSSH, on the way that ssh_config leads, also for its own looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any

import pytest
from ssh_peer import Peer, peer

from control import pins
from inventories.lab import environment as lab
from inventories.model import Host, Ssh
from verify import looks
from verify.connection import connect
from verify.observed import Observed
from verify.probes.ssh import Offer
from verify.test_ssh import test_daemon_answers_on_every_address as check_daemon
from verify.vantage import Vantage
from verify.verdict import Failed, NotProven

RELAY = f"{sys.executable} {Path(__file__).parent}/relay.py"
REAL = lab.model_copy(update={"name": "real", "domain": "real.example", "in_twin": False})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("peer")) as started:
        yield started


@pytest.fixture(scope="module")
def jump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("jump")) as started:
        yield started


@pytest.fixture
def config(server: Peer, jump: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's ssh_config; the hosts' keys are pinned, the jump host's as the user does it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pins, "INVENTORIES", tmp_path)
    (tmp_path / "real.known_hosts").write_text(server.known_hosts.read_text())
    (tmp_path / ".ssh").mkdir()
    server.admit("deploy")
    return tmp_path / ".ssh/config"


def bastion(jump: Peer, server: Peer) -> str:
    """Return the user's entries that every test needs."""
    return f"""
Host bastion
  HostName 127.0.0.1
  Port {jump.port}
  User root
  IdentityFile {jump.key}
  UserKnownHostsFile {jump.directory}/bastion
Host *
  IdentityFile {server.key}
  IdentitiesOnly yes
"""


def declared(server: Peer, **update: Any) -> Host:
    """Return a real host that is the server; nothing but its name and address leads there."""
    known = {"address": IPv4Interface("127.0.0.1/32"), "address6": None, "ssh": Ssh(port=server.port)}
    return REAL.host("edge1").model_copy(update=known | update)


@pytest.fixture
def seen(config: Path, server: Peer, jump: Peer, request: pytest.FixtureRequest) -> Iterator[Observed]:
    """A run that looks at the server, by the way that the test's parameter says."""
    key = jump.known_hosts.read_text().split(" ", 1)[1]
    (jump.directory / "bastion").write_text(f"[127.0.0.1]:{jump.port} {key}")
    config.write_text(request.param + bastion(jump, server))
    environment = REAL.model_copy(update={"hosts": (declared(server),)})
    observed = Observed(environment, "real", {"controller": Vantage("controller")})
    yield observed
    observed.close()


THROUGH = "Host {}\n  ProxyJump bastion\n"
RELAYED = f"Host *.real.example\n  ProxyCommand {RELAY} 127.0.0.1 %p\n"
NAMES = ("edge1", "edge1.real.example", "127.0.0.1 !bastion")


@pytest.mark.parametrize("seen", [THROUGH.format(name) for name in NAMES], indirect=True)
def test_a_jump_host_is_gone_through_under_any_name_of_the_host(
    seen: Observed, server: Peer, jump: Peer
) -> None:
    jump.admit("root")
    connection = connect(seen.way, declared(server))
    assert connection.user == "deploy"
    assert connection.python("print('inside')", 20) == b"inside\n"
    offers = looks.offers(seen, declared(server))
    check_daemon(declared(server), offers, {})
    assert isinstance(offers["127.0.0.1"], Offer)
    connection.close()


@pytest.mark.parametrize("seen", [THROUGH.format("edge1")], indirect=True)
def test_a_jump_host_that_lets_nobody_in_is_the_reason(seen: Observed, server: Peer, jump: Peer) -> None:
    jump.admit()
    with pytest.raises(Failed) as caught:
        check_daemon(declared(server), looks.offers(seen, declared(server)), {})
    assert "root@127.0.0.1: Permission denied" in caught.value.seen


@pytest.mark.parametrize("seen", [THROUGH.format("edge1")], indirect=True)
def test_what_the_way_does_not_lead_to_is_not_proven_and_does_not_gate(
    seen: Observed, server: Peer, jump: Peer
) -> None:
    jump.admit("root")
    host = declared(server, address6=IPv6Interface("2001:db8::7/64"))
    with pytest.raises(NotProven) as caught:
        check_daemon(host, looks.offers(seen, host), {})
    assert not caught.value.gates
    assert caught.value.seen.startswith("2001:db8::7: only 127.0.0.1 was asked")
    with pytest.raises(NotProven, match="the jump host bastion is between") as caught:
        looks.password_login(seen, host)
    assert not caught.value.gates


@pytest.mark.parametrize("seen", [RELAYED], indirect=True)
def test_a_proxy_command_is_gone_through_too(seen: Observed, server: Peer) -> None:
    connection = connect(seen.way, declared(server))
    assert connection.user == "deploy"
    (offer,) = looks.offers(seen, declared(server)).values()
    assert isinstance(offer, Offer)
    connection.close()


@pytest.mark.parametrize("seen", ["Host edge1\n  Port 1\n  User alice\n"], indirect=True)
def test_another_port_and_user_of_ssh_config_change_nothing(seen: Observed, server: Peer) -> None:
    connection = connect(seen.way, declared(server))
    assert connection.user == "deploy"
    assert seen.way.stream(declared(server)) == ()
    assert list(looks.offers(seen, declared(server))) == ["127.0.0.1"]
    connection.close()
