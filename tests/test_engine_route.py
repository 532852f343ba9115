"""How a host is reached: from the model, and from the user's own ssh_config where hosts are real."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from control import places
from deploys._connector.route import Route, route_to
from inventories.lab import environment as lab
from inventories.model import Environment, Ssh

REAL = lab.model_copy(update={"name": "real", "domain": "real.example", "in_twin": False})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def route(environment: Environment, config: str = "", home: Path | None = None) -> Route:
    if home is not None:
        (home / ".ssh/config").write_text(config)
    return route_to(environment, environment.host("edge1"), "lab")


def test_a_twin_is_reached_with_its_own_key_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = route(lab, "Host *\n  User somebody\n  IdentityFile ~/.ssh/other\n  ProxyJump elsewhere\n", home)
    assert found.keys == (places.controller_key_of("lab"),)
    assert found.known_hosts == (places.state_of("lab") / "known_hosts",)
    assert (found.agent, found.jumps, found.users) == (False, (), ("deploy", "root"))


def test_the_models_port_comes_first_then_22_then_the_last_releases(home: Path) -> None:
    host = lab.host("edge1").model_copy(update={"ssh": Ssh(port=2222)})
    assert route_to(lab, host, "lab", [2200, 22]).ports == (2222, 22, 2200)


def test_a_real_host_is_reached_with_ones_own_keys_and_agent(home: Path) -> None:
    found = route(REAL)
    assert found.keys == tuple(home / f".ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
    assert found.agent
    assert found.known_hosts[0].name == "real.known_hosts"
    assert found.address == str(IPv4Interface(lab.host("edge1").address).ip)


def test_ssh_config_gives_user_port_key_and_address(home: Path) -> None:
    config = """
Host edge1.real.example
  HostName 203.0.113.7
  User carol
  Port 2022
  IdentityFile ~/.ssh/work
  IdentitiesOnly yes
"""
    found = route(REAL, config, home)
    assert found.address == "203.0.113.7"
    assert found.users == ("deploy", "carol", "root")
    assert found.ports == (22, 2022)
    assert found.keys == (home / ".ssh/work",)
    assert not found.agent


def test_what_is_declared_goes_before_what_ssh_config_says_of_every_host(home: Path) -> None:
    """The first of each proves a change: a login as somebody else over the old port says nothing."""
    host = REAL.host("edge1").model_copy(update={"ssh": Ssh(port=2222)})
    (home / ".ssh/config").write_text("Host *\n  Port 22\n  User alice\n  ProxyJump bastion\n")
    found = route_to(REAL, host, "real")
    assert (found.ports, found.users) == ((2222, 22), ("deploy", "alice", "root"))
    assert [jump.ports for jump in found.jumps] == [(22,)]


@pytest.mark.parametrize("name", ["edge1", "edge1.real.example", "198.51.100.11", "198.51.100.*", "edge?"])
def test_a_jump_host_is_found_under_any_name_of_the_host(home: Path, name: str) -> None:
    config = f"Host {name}\n  ProxyJump bastion\nHost *\n  ServerAliveInterval 60\n"
    assert [jump.address for jump in route(REAL, config, home).jumps] == ["bastion"]


def test_a_chain_of_jump_hosts_is_followed_with_what_ssh_config_says_of_each(home: Path) -> None:
    config = """
Host edge1.real.example
  ProxyJump bastion,carol@inner:2200
Host bastion
  HostName 203.0.113.9
  User alice
  IdentityFile ~/.ssh/bastion
"""
    first, second = route(REAL, config, home).jumps
    assert (first.address, first.users, first.ports) == ("203.0.113.9", ("alice",), (22,))
    assert first.keys[0] == home / ".ssh/bastion"
    assert first.known_hosts[0] == home / ".ssh/known_hosts"
    assert (second.address, second.users, second.ports) == ("inner", ("carol",), (2200,))


def test_a_jump_host_that_needs_another_one_is_reached_through_that(home: Path) -> None:
    config = (
        "Host edge1\n  ProxyJump inner\nHost inner\n  ProxyJump outer\nHost outer\n  ProxyCommand nc %h %p\n"
    )
    outer, inner = route(REAL, config, home).jumps
    assert (outer.address, outer.proxy_command) == ("outer", "nc %h %p")
    assert (inner.address, inner.proxy_command, inner.jumps) == ("inner", "", ())


def test_a_jump_host_for_all_hosts_is_not_reached_through_itself(home: Path) -> None:
    assert len(route(REAL, "Host *\n  ProxyJump bastion\n", home).jumps) == 1


def test_a_jump_host_may_be_an_address_with_colons(home: Path) -> None:
    (jump,) = route(REAL, "Host edge1\n  ProxyJump ann@[2001:db8::7]:2200\n", home).jumps
    assert (jump.address, jump.users, jump.ports) == ("2001:db8::7", ("ann",), (2200,))


def test_a_proxy_command_keeps_its_tokens_and_leads_to_the_name_it_stands_under(home: Path) -> None:
    found = route(REAL, "Host *.real.example\n  ProxyCommand nc -X connect %h %p\n", home)
    assert (found.proxy_command, found.address) == ("nc -X connect %h %p", "edge1.real.example")


def test_proxy_jump_none_means_none(home: Path) -> None:
    config = "Host edge1.real.example\n  ProxyJump none\n  User eve\n"
    assert route(REAL, config, home).jumps == ()


def test_files_that_ssh_config_includes_are_read(home: Path) -> None:
    (home / ".ssh/work").write_text("Host edge1.real.example\n  User frank\n")
    assert route(REAL, "Include work\n", home).users[1] == "frank"


def test_an_unpinned_and_a_changed_key_each_name_the_whole_command_that_helps(home: Path) -> None:
    own = route(REAL)
    assert own.trust == "Compare its fingerprint, then pin it with `invoke trust --env real`."
    assert own.changed.endswith("then replace the pinned one with `invoke trust --env real --replace edge1`.")
    named = route_to(lab, lab.host("edge1"), "mine")
    assert "`invoke trust --env lab --twin mine`" in named.trust
    assert "`invoke trust --env lab --twin mine --replace edge1`" in named.changed
    assert "`invoke trust --env lab --replace edge1`" in route(lab).changed


def test_a_jump_hosts_changed_key_names_the_entry_to_forget(home: Path) -> None:
    (jump,) = route(REAL, "Host edge1.real.example\n  ProxyJump bastion:2200\n", home).jumps
    assert "`ssh-keygen -R '[bastion]:2200'`" in jump.changed
