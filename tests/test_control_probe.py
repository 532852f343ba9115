"""`invoke probe.*` looks from where it was told to, and says in a sentence what it cannot do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from declared_tunnels import branch, peer, tunnel

from control.errors import TrunklineError
from control.probe import Probe, names, option, proposals_of, settings, sites_of
from inventories.model import load

TOP = Path(__file__).resolve().parent.parent


def invoke(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", *argv], cwd=TOP, capture_output=True, text=True, check=False
    )


def test_several_hosts_are_looked_at_one_after_the_other() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        done = invoke("probe.tcp", "127.0.0.1,127.0.0.2", str(port), "--json")
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["address"] for each in seen] == ["127.0.0.1", "127.0.0.2"]
    assert {each["ports"][0]["state"] for each in seen} == {"open"}


def test_what_nobody_answers_is_exit_code_1_and_no_traceback() -> None:
    done = invoke("probe.tls", "127.0.0.1", "--port", "1")
    assert (done.returncode, done.stderr) == (1, "127.0.0.1 port 1: Connection refused\n")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("probe.tls", "127.0.0.1", "--place", "moon"), "error: --place 'moon' cannot be used.\n"),
        (("probe.ping", "127.0.0.1", "--place", "stranger"), "error: Only a twin has a stranger.\n"),
        (("probe.ping", "127.0.0.1", "--twin", "x"), "error: --twin alone names no environment.\n"),
        (("probe.tls", "127.0.0.1", "--port", "0"), "error: --port '0' cannot be used.\n"),
        (("probe.sip", "127.0.0.1", "--transports", "x"), "error: --transports 'X' cannot be used.\n"),
        (("probe.dns", ","), "error: No host was named.\n"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_what_to_do(argv: tuple[str, ...], sentence: str) -> None:
    done = invoke(*argv)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 2


def test_a_host_of_an_environment_stands_for_its_sites() -> None:
    assert "shop.lab.example" in sites_of(load("lab").host("web1"))
    assert sites_of(load("lab").host("edge1")) == sites_of(None) == []


def test_options_without_a_value_are_left_out() -> None:
    assert settings(port=443, quick=True, key_of="", plain=False) == ["--port", "443", "--quick"]
    assert option("--name", "a, b,") == ["--name", "a", "--name", "b"]
    assert names("a, b") == ["a", "b"]


def test_without_an_environment_it_looks_from_this_machine() -> None:
    assert Probe("tls", env="", twin="", place="controller", json=False).prefix == []
    with pytest.raises(TrunklineError, match="stranger"):
        Probe("tls", env="", twin="", place="stranger", json=False)


def test_the_ports_of_a_range_are_asked_through_what_was_named() -> None:
    done = invoke(
        "probe.rtp", "127.0.0.1", "21700-21703", "--through", "env PATH=/usr/bin:/bin sh -c", "--json"
    )
    assert json.loads(done.stdout)["open"] == "21700-21703"


def test_a_range_without_a_way_to_the_host_is_a_sentence_with_what_to_say() -> None:
    done = invoke("probe.rtp", "127.0.0.1", "21700")
    assert done.returncode == 1
    assert "--ssh root@127.0.0.1" in done.stderr


def test_a_host_of_an_environment_stands_for_its_peers_proposals() -> None:
    assert proposals_of(tunnel(peer(), branch()).hosts[0]) == ["aes256-sha256-modp2048"]
    assert proposals_of(None) == []
