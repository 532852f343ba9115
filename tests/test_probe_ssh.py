"""The SSH probe reads the offer on the wire, and really tries a password."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.probes.ssh import NotSsh, read_offer, ssh_login, ssh_offer

RIGHT = "the right one"


class Door(paramiko.ServerInterface):
    """Takes what it is told to take."""

    def __init__(self, methods: str) -> None:
        self.methods = methods

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_password(self, username: str, password: str) -> int:
        right = "password" in self.methods and password == RIGHT
        return paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED


@contextmanager
def sshd(methods: str) -> Iterator[int]:
    """A real SSH server on loopback; yields its port."""
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served: list[paramiko.Transport] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(connection)
                transport.add_server_key(key)
                served.append(transport)
                transport.start_server(event=threading.Event(), server=Door(methods))

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        for transport in served:
            transport.close()


def test_the_offer_on_the_wire_is_the_servers_own() -> None:
    with sshd("publickey") as port:
        offer = ssh_offer("127.0.0.1", port)
    assert offer.banner.startswith("SSH-2.0-paramiko")
    assert offer.host_key == ("ecdsa-sha2-nistp256",)
    assert "curve25519-sha256@libssh.org" in offer.kex
    assert {"aes128-ctr", "hmac-sha2-256"} <= {*offer.cipher, *offer.mac}


def test_a_password_is_not_offered_where_only_keys_are_taken() -> None:
    with sshd("publickey") as port:
        login = ssh_login("127.0.0.1", port, user="root", password="wrong")
    assert (login.methods, login.password) == (("publickey",), "not offered")


def test_a_wrong_password_is_really_tried_and_refused() -> None:
    with sshd("publickey,password") as port:
        login = ssh_login("127.0.0.1", port, user="root", password="wrong")
    assert (login.methods, login.password) == (("publickey", "password"), "refused")


def test_the_probe_would_see_a_password_that_opens() -> None:
    with sshd("password") as port:
        assert ssh_login("127.0.0.1", port, user="root", password=RIGHT).password == "accepted"


def test_without_a_password_only_the_methods_are_asked() -> None:
    with sshd("publickey") as port:
        assert ssh_login("127.0.0.1", port, user="root").password is None


@contextmanager
def saying(words: bytes) -> Iterator[int]:
    """A server that says some words and hangs up; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(512):
                    pass  # closing with unread bytes would be a reset

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (b"220 mail.example ESMTP\r\n", "does not speak SSH 2"),
        (b"SSH-1.5-old\r\n", "does not speak SSH 2"),
        (b"", "does not speak SSH 2"),
        (b"SSH-2.0-x\r\n", "in the middle of a packet"),
        (b"SSH-2.0-x\r\n" + struct.pack("!IB", 90000, 4), "a packet of 90000 bytes"),
        (b"SSH-2.0-x\r\n" + struct.pack("!IBB", 12, 4, 21) + bytes(10), "no KEXINIT"),
    ],
)
def test_what_is_no_ssh_server_is_named(words: bytes, sentence: str) -> None:
    with saying(words) as port, pytest.raises(NotSsh, match=sentence):
        ssh_offer("127.0.0.1", port, timeout=2)


def kexinit(*lists: str) -> bytes:
    """Write a KEXINIT payload (RFC 4253 section 7.1)."""
    names = (each.encode() for each in lists)
    return bytes([20]) + bytes(16) + b"".join(struct.pack("!I", len(n)) + n for n in names) + bytes(5)


def test_both_directions_are_read_and_each_name_kept_once() -> None:
    offer = read_offer("b", kexinit("k1,k2", "h", "c1,c2", "c2,c3", "m1", "m1", "none", "none", "", ""))
    assert (offer.kex, offer.cipher, offer.mac) == (("k1", "k2"), ("c1", "c2", "c3"), ("m1",))


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_never_misread(data: bytes) -> None:
    try:
        read_offer("b", bytes([20]) + data)
    except NotSsh:
        return
    assert len(data) >= 16 + 40
