"""The TLS probe sees what OpenSSL's own server takes and serves, and no peer can hold it."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tls_server import Authority, authority, openssl_server
from verify.probes.certificate import read_pem
from verify.probes.hello import GROUPS, VERSIONS, Answer, Garbled, client_hello, read_answer
from verify.probes.served import Place, served
from verify.probes.suites import OLDER, TLS13
from verify.probes.tls import ask, offer

TOP = Path(__file__).resolve().parent.parent
INTERMEDIATE = ("-min_protocol", "TLSv1.2", "-groups", "X25519:P-256:P-384")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def peer(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that does to each connection what it was told to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def run() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        serve(connection)
                    except OSError:
                        continue

        threading.Thread(target=run, daemon=True).start()
        yield listening.getsockname()[1]


def test_versions_groups_and_ciphers_are_those_that_the_server_was_given(ca: Authority) -> None:
    chain, key = ca.leaf("shop.test")
    cipher = "ECDHE-ECDSA-AES256-GCM-SHA384"
    with openssl_server(chain, key, *INTERMEDIATE, "-cipher", cipher) as port:
        seen = offer(Place("127.0.0.1", port, "shop.test"))
    assert [version for version, word in seen.versions.items() if word == "spoken"] == ["TLSv1.2", "TLSv1.3"]
    assert seen.groups == ("x25519", "secp256r1", "secp384r1")
    assert seen.preferred == "x25519"
    assert seen.ciphers["TLSv1.2"] == (cipher,)
    assert set(seen.ciphers["TLSv1.3"]) == {TLS13[number] for number in (0x1301, 0x1302, 0x1303)}


def test_a_version_that_the_own_library_would_not_offer_is_found(ca: Authority) -> None:
    """Debian's OpenSSL offers no TLS 1.0 by itself; a server that takes it must be seen all the same."""
    chain, key = ca.leaf("old.test", label="old")
    weak = ("-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0")
    with openssl_server(chain, key, *weak) as port:
        seen = offer(Place("127.0.0.1", port, "old.test"))
    assert seen.versions["TLSv1.0"] == seen.versions["TLSv1.1"] == "spoken"
    assert seen.versions["SSLv3"] != "spoken"
    assert "ECDHE-ECDSA-AES128-SHA" in seen.ciphers["TLSv1.0"]


def test_a_refused_group_and_a_refused_version_are_told_as_alerts(ca: Authority) -> None:
    chain, key = ca.leaf("shop.test")
    with openssl_server(chain, key, "-tls1_3", "-groups", "P-256") as port:
        place = Place("127.0.0.1", port)
        assert str(ask(place, groups=(GROUPS["x25519"],))) == "alert handshake_failure"
        assert str(ask(place, VERSIONS["TLSv1.2"])) == "alert protocol_version"
        assert ask(place, groups=(GROUPS["secp256r1"],)).group == GROUPS["secp256r1"]


def test_the_chain_of_tls_1_2_is_read_by_the_own_parser_too(ca: Authority) -> None:
    chain, key = ca.leaf("shop.test")
    with openssl_server(chain, key, "-tls1_2") as port:
        answer = ask(Place("127.0.0.1", port), VERSIONS["TLSv1.2"], whole=True)
        whole = served(Place("127.0.0.1", port, "shop.test"), ca.ca)
    assert len(answer.certificates) == 2
    assert answer.group == GROUPS["x25519"] or answer.group in GROUPS.values()
    assert [each.sha256 for each in read_pem(chain.read_bytes())] == [each.sha256 for each in whole.chain]


def test_a_good_chain_is_trusted_in_order_and_bears_its_names(ca: Authority) -> None:
    chain, key = ca.leaf("shop.test", "www.shop.test")
    with openssl_server(chain, key) as port:
        seen = served(Place("127.0.0.1", port, "www.shop.test"), ca.ca)
        other = served(Place("127.0.0.1", port, "mail.test"), ca.ca)
        strange = served(Place("127.0.0.1", port, "shop.test"), None)
    assert (seen.trust, seen.ordered, seen.chain[0].subject) == ("", True, "")
    assert seen.chain[0].names == ("shop.test", "www.shop.test")
    assert seen.chain[0].key == read_pem(chain.read_bytes())[0].key
    assert "mail.test" in other.trust
    assert strange.trust


def test_a_missing_intermediate_an_expired_and_an_unordered_chain_are_seen(ca: Authority) -> None:
    short, key = ca.leaf("shop.test", chain=False, label="short")
    with openssl_server(short, key) as port:
        assert "issuer" in served(Place("127.0.0.1", port, "shop.test"), ca.ca).trust
    expired, key = ca.leaf("shop.test", days=10, age=11, label="expired")
    with openssl_server(expired, key) as port:
        seen = served(Place("127.0.0.1", port, "shop.test"), ca.ca)
    assert "expired" in seen.trust
    assert seen.chain[0].share_left(time.time()) == pytest.approx(-0.1, abs=0.01)


def test_another_protocol_silence_and_a_drip_end_in_time() -> None:
    def web(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def silence(connection: socket.socket) -> None:
        time.sleep(1.5)

    def drip(connection: socket.socket) -> None:
        for _ in range(400):
            connection.sendall(b"\x16\x03\x03\x00\x01\x02")
            time.sleep(0.01)

    for serve, kind in ((web, "garbled"), (silence, "silent"), (drip, "garbled")):
        with peer(serve) as port:
            began = time.monotonic()
            assert ask(Place("127.0.0.1", port, timeout=1.0)).kind in (kind, "silent")
            assert time.monotonic() - began < 1.5


def test_a_flood_is_read_no_further_than_its_limit() -> None:
    def flood(connection: socket.socket) -> None:
        record = b"\x16\x03\x03\x40\x00" + b"\x0e\x00\xff\xff" + bytes(16380)
        for _ in range(500):
            connection.sendall(record)

    with peer(flood) as port:
        answer = ask(Place("127.0.0.1", port, timeout=3.0))
    assert answer.kind in ("garbled", "closed")


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_do_anything_but_answer_wait_or_refuse(data: bytes) -> None:
    _read(data)


@given(st.binary(max_size=200), st.integers(0, 255))
def test_no_handshake_message_breaks_the_reader(body: bytes, kind: int) -> None:
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    _read(struct.pack("!BHH", 22, 0x0303, len(message)) + message, whole=True)


@given(st.binary(max_size=120), st.data())
def test_a_server_hello_cut_anywhere_or_changed_is_no_accident(
    extensions: bytes, data: st.DataObject
) -> None:
    body = struct.pack("!H", 0x0303) + bytes(32) + b"\0" + struct.pack("!HB", 0x1301, 0)
    body += struct.pack("!H", len(extensions)) + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    whole = struct.pack("!BHH", 22, 0x0303, len(message)) + message
    _read(whole)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert _read(whole[:cut]) is None


def _read(data: bytes, *, whole: bool = False) -> Answer | None:
    try:
        return read_answer(data, whole=whole)
    except Garbled:
        return None


@given(st.sampled_from(list(VERSIONS.values())), st.from_regex(r"[a-z]{1,20}\.example", fullmatch=True))
def test_a_client_hello_is_one_record_of_its_own_length(version: int, name: str) -> None:
    hello = client_hello(version, tuple(OLDER), tuple(GROUPS.values()), name=name, alpn=("h2",))
    assert struct.unpack_from("!H", hello, 3)[0] == len(hello) - 5
    assert int.from_bytes(hello[6:9], "big") == len(hello) - 9
    assert (name.encode() in hello) is (version > 0x0300)


def test_the_probe_is_a_program_that_prints_json(ca: Authority) -> None:
    chain, key = ca.leaf("shop.test")
    with openssl_server(chain, key) as port:
        argv = [
            sys.executable,
            "-m",
            "verify.probes.tls",
            "127.0.0.1",
            "--port",
            str(port),
            "--json",
            "--quick",
        ]
        argv += ["--name", "shop.test", "--stray", "", "--ca", ca.ca, "--key-of", str(chain)]
        done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True)
    (seen,) = json.loads(done.stdout)["names"]
    assert (seen["served"]["trust"], seen["same_key"]) == ("", True)


def test_a_port_where_nobody_listens_is_one_sentence() -> None:
    argv = [sys.executable, "-m", "verify.probes.tls", "127.0.0.1", "--port", "1"]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "127.0.0.1 port 1: Connection refused\n")
