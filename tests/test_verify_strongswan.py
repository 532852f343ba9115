"""The daemon's own answers are read as it means them, and compared with the records they come from."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inventories.model import EspProposal, IkeProposal, Peer, Secret, load
from twin.associations import associations as told_by_a_gateway
from verify import rest
from verify.both_ends import differing
from verify.on_host import vici
from verify.on_host.strongswan import associations
from verify.tunnels import (
    Association,
    Child,
    algorithms,
    asked,
    children,
    drops,
    members,
    pairs,
    wanted_association,
    wanted_child,
)
from verify.tunnels import associations as associations_with

RECORDED = Path(__file__).resolve().parent / "recorded" / "vici"
VERSIONS = ("5.9.8", "6.0.1")
"""Debian 12's strongSwan and Debian 13's; each was the other's peer."""
ADDRESSES = {"6.0.1": ("198.51.100.31", "198.51.100.32"), "5.9.8": ("198.51.100.32", "198.51.100.31")}
NETWORKS = {"6.0.1": ("10.10.10.0/24", "10.10.20.0/24"), "5.9.8": ("10.10.20.0/24", "10.10.10.0/24")}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def daemon(version: str, tmp_path: Path) -> Iterator[str]:
    """A socket on which the recorded answers of a real daemon to `list-conns` and `list-sas` are played."""
    answers = base64.b64decode((RECORDED / f"answers-{version}.b64").read_text())
    path = str(tmp_path / "vici")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def play() -> None:
            with listening.accept()[0] as sock:
                sock.sendall(answers)
                while sock.recv(4096):
                    pass

        playing = threading.Thread(target=play, daemon=True)
        playing.start()
        yield path
    playing.join(5)


@pytest.fixture
def tunnels(daemon: str) -> dict[str, Any]:
    """What the collector makes of the answers."""
    with vici.Vici(daemon) as asked:
        connections = asked.listed("list-conns", "list-conn")
        return {"connections": connections[0], "associations": associations(asked)}


@pytest.fixture
def peer(version: str) -> Peer:
    own, other = NETWORKS[version]
    address = ADDRESSES[version][1]
    return Peer.model_validate(
        {"name": "office", "address": address, "id": address, "local": (own,), "remote": (other,),
         "local_id": ADDRESSES[version][0], "psk": Secret(name="office_psk")}
    )  # fmt: skip


def test_a_connection_is_read_with_its_lists(tunnels: dict[str, Any], peer: Peer) -> None:
    office = tunnels["connections"]["office"]
    assert office["remote_addrs"] == [str(peer.address)]
    assert office["local-1"]["class"] == office["remote-1"]["class"] == "pre-shared key"
    assert office["children"]["office-1"]["remote-ts"] == [str(peer.remote[0])]


def test_what_stands_is_what_was_declared(tunnels: dict[str, Any], peer: Peer, version: str) -> None:
    (held,) = tunnels["associations"]
    wanted = wanted_association(load("lab").hosts[0], peer) | {"local-host": ADDRESSES[version][0]}
    assert {key: held[key] for key in wanted} == wanted
    (child,) = children(tunnels, peer)
    wanted = wanted_child(peer, child)
    assert {key: child.held[key] for key in wanted} == wanted
    assert (child.selectors,) == pairs(peer)
    assert all(len(spi) == 8 for spi in child.spis)


def test_another_cipher_is_told_apart(tunnels: dict[str, Any], peer: Peer) -> None:
    other = peer.model_copy(update={"esp": EspProposal(encryption="aes128gcm16")})
    (child,) = children(tunnels, other)
    wanted = wanted_child(other, child)
    assert {key for key in wanted if child.held.get(key) != wanted[key]} == {"encr-alg", "encr-keysize"}


def from_the_far_end(held: dict[str, Any]) -> dict[str, Any]:
    """Return what the other end says of the same association."""
    other = {"local": "remote", "remote": "local", "in": "out", "out": "in"}

    def turned(key: str) -> str:
        return "-".join(other.get(word, word) for word in key.split("-")) if "spi" not in key or (
            key.startswith("spi-")) else key  # fmt: skip

    children = [{turned(key): value for key, value in each.items()} for each in held["child-sas"]]
    return {**{turned(key): value for key, value in held.items()},
            "child-sas": {f"{n}": child for n, child in enumerate(children)}}  # fmt: skip


def test_both_ends_have_the_same_or_it_is_told(tunnels: dict[str, Any], peer: Peer) -> None:
    (held,) = tunnels["associations"]
    ours, far = associations_with(tunnels, peer), from_the_far_end(held)
    assert not differing(ours, told_by_a_gateway([{"vpn1": far}]))
    far["child-sas"]["0"]["spi-in"] = "00000000"
    assert "and the peer has" in differing(ours, told_by_a_gateway([{"vpn1": far}]))
    assert differing(ours, ()).endswith("and the peer has none")
    assert not differing((), ())


def test_only_what_stands_counts() -> None:
    gone = [{"state": state} for state in ("DELETING", "REKEYED", "CREATED")]
    held = {"name": "office", "state": "ESTABLISHED", "child-sas": [*gone, {"state": "INSTALLED"}]}
    assert len(Association(held).children) == 1
    assert not Association({"state": "CONNECTING"}).stands
    assert Child({"state": "REKEYING"}).carries


@pytest.mark.parametrize(
    ("proposal", "told"),
    [
        (IkeProposal(), {"encr-alg": "AES_CBC", "encr-keysize": "256", "integ-alg": "HMAC_SHA2_256_128",
                         "prf-alg": "PRF_HMAC_SHA2_256"}),
        (IkeProposal(encryption="aes256gcm16", integrity="sha384"),
         {"encr-alg": "AES_GCM_16", "encr-keysize": "256", "prf-alg": "PRF_HMAC_SHA2_384"}),
        (EspProposal(encryption="chacha20poly1305"), {"encr-alg": "CHACHA20_POLY1305"}),
    ],
)  # fmt: skip
def test_algorithms_are_named_as_the_daemon_names_them(
    proposal: IkeProposal | EspProposal, told: dict[str, str]
) -> None:
    assert algorithms(proposal) == told


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    whole = bytes([vici.SECTION, 1]) + b"a" + bytes([vici.VALUE, 1]) + b"k" + struct.pack("!H", 1) + b"v"
    assert vici.message(whole + bytes([vici.SECTION_END])) == {"a": {"k": "v"}}
    with pytest.raises(ValueError, match="ends within a section"):
        vici.message(whole)
    with pytest.raises(ValueError, match="type 9"):
        vici.message(bytes([9]))


def test_what_is_no_text_is_kept_as_base64() -> None:
    value = b"\x30\x82\xff"
    held = vici.message(bytes([vici.VALUE, 4]) + b"data" + struct.pack("!H", len(value)) + value)
    assert base64.b64decode(held["data"]) == value


def test_a_host_without_tunnels_is_asked_nothing() -> None:
    assert asked(load("lab").host("web1")) == []


@pytest.fixture
def ruleset() -> list[dict[str, Any]]:
    """What a real host's nft says of our table."""
    found: list[dict[str, Any]] = json.loads((RECORDED.parent / "nft" / "tunnels.json").read_text())
    return found


def test_our_rules_are_read_from_the_kernel_s_own_words(ruleset: list[dict[str, Any]]) -> None:
    assert members(ruleset, "remote") == {IPv4Network("192.168.150.0/24")}
    dropped = {hook for hook, expressions in drops(ruleset) if "@remote" in str(expressions)}
    assert dropped == {"prerouting", "output", "forward"}


def test_another_table_s_rules_are_not_ours(ruleset: list[dict[str, Any]]) -> None:
    renamed = json.loads(json.dumps(ruleset).replace("trunkline_tunnels", "by_hand"))
    assert not list(drops(renamed))
    assert not members(renamed, "remote")


@pytest.mark.parametrize(
    ("element", "networks"),
    [
        ("192.168.150.1", {"192.168.150.1/32"}),
        ({"prefix": {"addr": "192.168.150.0", "len": 24}}, {"192.168.150.0/24"}),
        ({"range": ["192.168.150.0", "192.168.151.255"]}, {"192.168.150.0/23"}),
    ],
)
def test_the_kernel_writes_networks_in_three_ways(element: Any, networks: set[str]) -> None:
    held = {"set": {"family": "inet", "table": "trunkline_tunnels", "name": "remote", "elem": [element]}}
    assert members([held], "remote") == {IPv4Network(text) for text in networks}


@pytest.mark.parametrize(
    ("looks", "restless"),
    [
        ((1, 0), False),  # the older one ended, and that was it
        ((1,) * 40, True),
        ((1, 0, 0, 0, 1), True),  # each end begins anew what the other one ends
    ],
)
def test_one_sa_that_is_left_stays_the_only_one(
    looks: tuple[int, ...], restless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = count(), iter(looks)
    time = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None)
    monkeypatch.setattr(rest, "time", time)
    monkeypatch.setattr(rest, "standing", lambda *_: None)
    monkeypatch.setattr(rest, "twice", lambda *_: {"hq": "2 IKE SAs"} if next(seen, 0) else {})
    host = load("lab").host("vpn1")
    assert bool(rest.restless(host, None, {"hq": "2 IKE SAs"})) == restless  # type: ignore[arg-type]
