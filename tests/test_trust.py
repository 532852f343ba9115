"""Pinning host keys, against a real SSH server on loopback that proves to hold its throw-away keys."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from pathlib import Path

import paramiko
import pytest

from control import trust as trusting
from control.console import Console
from control.errors import TrunklineError
from control.host_keys import host_keys
from control.trust import Pins, Shown, fingerprint, pinned
from deploys._connector.route import route_to
from inventories.model import load

COMMAND = "invoke trust --env lab --replace edge1"
NAMES = ("127.0.0.1", "edge1.lab.example")


def made(path: Path, kind: str = "ed25519") -> paramiko.PKey:
    """Make a real host key with ssh-keygen."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return paramiko.PKey.from_path(path)


@contextmanager
def server(*keys: paramiko.PKey) -> Iterator[int]:
    """An SSH server on a free loopback port that holds these host keys and lets nobody in."""
    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            for key in keys:
                transport.add_server_key(key)
            transports.append(transport)
            transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()


def shown_by(port: int) -> Shown:
    """Fetch the keys of the server on a loopback port, as edge1's."""
    environment = load("lab")
    host = environment.hosts[0].model_copy(update={"address": IPv4Interface("127.0.0.1/32")})
    route = route_to(environment, host, "lab", override={"ports": (port,)})
    answered, keys = host_keys(route)
    return Shown("edge1", answered, tuple(f"{key.get_name()} {key.get_base64()}" for key in keys))


@pytest.fixture
def key(tmp_path: Path) -> paramiko.PKey:
    """The server's ed25519 key."""
    return made(tmp_path / "host_ed25519")


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    """An empty file of pinned keys."""
    return Pins(tmp_path / "known_hosts")


def expect(shown: Shown) -> set[str]:
    """The fingerprints that a person would have compared."""
    return {fingerprint(each) for each in shown.keys}


def test_every_key_type_that_the_server_holds_is_fetched_by_a_key_exchange(
    tmp_path: Path, key: paramiko.PKey
) -> None:
    with server(key, made(tmp_path / "rsa", "rsa"), made(tmp_path / "ecdsa", "ecdsa")) as port:
        shown = shown_by(port)
    assert [each.split()[0] for each in shown.keys] == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
    assert shown.port == port


def test_a_fingerprint_is_written_as_ssh_keygen_writes_it(tmp_path: Path, key: paramiko.PKey) -> None:
    said = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "host_ed25519.pub")], capture_output=True, text=True, check=True
    ).stdout
    assert fingerprint(f"{key.get_name()} {key.get_base64()}") == said.split()[1]


def test_an_expected_key_is_pinned_so_that_openssh_accepts_it(pins: Pins, key: paramiko.PKey) -> None:
    with server(key) as port:
        shown = shown_by(port)
        names = (*NAMES, f"[127.0.0.1]:{port}")
        assert pinned(shown, names, pins, Console(), expect(shown), unless=COMMAND)
        found = subprocess.run(
            ["ssh-keygen", "-F", f"[127.0.0.1]:{port}", "-f", str(pins.path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert found.returncode == 0
    assert key.get_base64() in found.stdout


def test_an_unexpected_key_is_not_pinned(pins: Pins, key: paramiko.PKey) -> None:
    with server(key) as port:
        assert not pinned(shown_by(port), NAMES, pins, Console(), {"SHA256:other"}, unless=COMMAND)
    assert pins.of(NAMES) == []


def test_of_several_keys_only_the_expected_are_pinned(pins: Pins, key: paramiko.PKey, tmp_path: Path) -> None:
    """Somebody in between could let one key exchange through and answer another one himself."""
    with server(key, made(tmp_path / "ecdsa", "ecdsa")) as port:
        shown = shown_by(port)
    assert pinned(shown, NAMES, pins, Console(), {fingerprint(shown.keys[0])}, unless=COMMAND)
    assert pins.of(NAMES) == [shown.keys[0]]


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("Yes ", True), ("", False), ("no", False)])
def test_a_person_is_shown_the_fingerprint_and_asked(
    pins: Pins, key: paramiko.PKey, answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(trusting, "stdin_is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    with server(key) as port:
        shown = shown_by(port)
    assert pinned(shown, NAMES, pins, Console(), set(), unless=COMMAND) == agreed
    assert fingerprint(shown.keys[0]) in capsys.readouterr().out
    assert pins.of(NAMES) == (list(shown.keys) if agreed else [])


def test_a_changed_key_is_refused_loudly_and_the_pin_stays(
    pins: Pins, key: paramiko.PKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(key) as port:
        first = shown_by(port)
    pins.put(NAMES, first.keys)
    with server(made(tmp_path / "other")) as port:
        second = shown_by(port)
    assert not pinned(second, NAMES, pins, Console(), expect(second), unless=COMMAND)
    said = capsys.readouterr().out
    assert "THE HOST KEY HAS CHANGED" in said
    assert f"`{COMMAND}`" in said
    assert fingerprint(first.keys[0]) in said
    assert fingerprint(second.keys[0]) in said
    assert pins.of(NAMES) == list(first.keys)


def test_a_changed_key_is_replaced_only_when_the_host_is_named_and_the_key_agreed_to(
    pins: Pins, key: paramiko.PKey
) -> None:
    pins.put(NAMES, ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOld"])
    with server(key) as port:
        shown = shown_by(port)
    assert not pinned(shown, NAMES, pins, Console(), {"SHA256:other"}, unless="")
    assert pinned(shown, NAMES, pins, Console(), expect(shown), unless="")
    assert pins.of(NAMES) == list(shown.keys)


def test_a_pinned_key_that_is_still_shown_needs_nobody(pins: Pins, key: paramiko.PKey) -> None:
    with server(key) as port:
        shown = shown_by(port)
    pins.put(NAMES, shown.keys)
    assert pinned(shown, NAMES, pins, Console(), set(), unless=COMMAND)


def test_another_host_keeps_its_pins(pins: Pins) -> None:
    pins.put(("192.0.2.1",), ["ssh-ed25519 AAAAone"])
    pins.put(NAMES, ["ssh-ed25519 AAAAtwo"])
    pins.put(NAMES, ["ssh-ed25519 AAAAthree"])
    assert pins.of(("192.0.2.1",)) == ["ssh-ed25519 AAAAone"]
    assert pins.of(NAMES) == ["ssh-ed25519 AAAAthree"]


def test_without_a_person_or_an_expected_fingerprint_nothing_is_pinned(
    pins: Pins, key: paramiko.PKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusting, "stdin_is_terminal", lambda: False)
    with server(key) as port, pytest.raises(TrunklineError, match="Nobody is here") as caught:
        pinned(shown_by(port), NAMES, pins, Console(), set(), unless=COMMAND)
    assert "--expect SHA256:" in caught.value.remedy
    assert not pins.path.exists()


def test_a_port_that_speaks_no_ssh_is_named() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        for _ in range(3):
            listener.accept()[0].close()

    threading.Thread(target=hang_up, daemon=True).start()
    with listener, pytest.raises(TrunklineError, match="completes no SSH key exchange"):
        shown_by(listener.getsockname()[1])
