"""The DNS probe reads what name servers say, falls back to TCP, and no message can trap it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.probes.dns import lookup, lookup_all
from verify.probes.dns_message import Malformed, encoded, question, read, read_name

NAME = "shop.lab.example"
A = socket.inet_aton("198.51.100.21")
Answer = Callable[[bytes], list[bytes]]
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


def message(query: bytes, *records: tuple[int, bytes], flags: int = 0x8180) -> bytes:
    """Return an answer to a query: its question again, and records whose name is a pointer to it."""
    head = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
    rows = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for kind, data in records)
    return head + query[12:] + rows


@contextmanager
def server(by_udp: Answer, by_tcp: Answer | None = None) -> Iterator[int]:
    """A name server on loopback that says what it was told to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", port))
        tcp.listen()

        def datagrams() -> None:
            while True:
                try:
                    query, who = udp.recvfrom(512)
                    for reply in by_udp(query):
                        udp.sendto(reply, who)
                except OSError:
                    return

        def streams() -> None:
            while by_tcp:
                try:
                    connection, _ = tcp.accept()
                except OSError:
                    return
                with connection:
                    query = connection.recv(600)[2:]
                    for reply in by_tcp(query):
                        connection.sendall(struct.pack("!H", len(reply)) + reply)

        for serve in (datagrams, streams):
            threading.Thread(target=serve, daemon=True).start()
        yield port
        for sock in (udp, tcp):
            sock.close()


def test_addresses_and_other_records_are_read() -> None:
    text = b"\x05first\x06second"
    caa = b"\x00\x05issueletsencrypt.org"
    records = {
        "A": [(1, A)], "AAAA": [(28, socket.inet_pton(socket.AF_INET6, "2001:db8::1"))],
        "CNAME": [(5, b"\x03www\xc0\x0c")], "MX": [(15, b"\x00\x0a\x04mail\xc0\x0c")],
        "TXT": [(16, text)], "CAA": [(257, caa)],
    }  # fmt: skip
    wanted = {
        "A": "198.51.100.21", "AAAA": "2001:db8::1", "CNAME": f"www.{NAME}", "MX": f"10 mail.{NAME}",
        "TXT": '"first" "second"', "CAA": '0 issue "letsencrypt.org"',
    }  # fmt: skip
    for kind, rows in records.items():
        with server(lambda query, rows=rows: [message(query, *rows)]) as port:  # type: ignore[misc]
            answer = lookup(NAME, kind, "127.0.0.1", port=port)
        assert (answer.values, answer.code, answer.by_tcp) == ((wanted[kind],), "NOERROR", False)


def test_an_answer_that_was_cut_short_is_asked_for_by_tcp() -> None:
    with server(
        lambda query: [message(query, flags=0x8380)], lambda query: [message(query, (1, A), (1, A))]
    ) as port:
        answer = lookup(NAME, "A", "127.0.0.1", port=port)
    assert (len(answer.values), answer.by_tcp) == (2, True)


def test_answers_of_somebody_else_are_left_aside() -> None:
    def mixed(query: bytes) -> list[bytes]:
        other = question("evil.example", "A", struct.unpack_from("!H", query)[0])
        wrong = bytes([query[0] ^ 1]) + query[1:]
        return [b"", b"x", message(wrong, (1, A)), message(other, (1, A)), message(query, (1, A))]

    with server(mixed) as port:
        assert lookup(NAME, "A", "127.0.0.1", port=port).values == ("198.51.100.21",)


def test_no_such_name_and_no_answer_are_told_apart() -> None:
    with server(lambda query: [message(query, flags=0x8183)]) as port:
        gone = lookup_all([NAME], server="127.0.0.1", port=port)
    assert {(answer.code, answer.values) for answer in gone} == {("NXDOMAIN", ())}
    with server(lambda query: []) as port:
        silent = lookup(NAME, "A", "127.0.0.1", port=port, timeout=0.2)
    assert silent.error == "no answer"


def test_a_name_that_is_none_is_refused_before_it_is_asked() -> None:
    for name in ("a" * 64 + ".example", "a..example", ".".join(["abcdefghi"] * 30)):
        with pytest.raises(ValueError, match="name"):
            encoded(name)


@given(st.lists(LABEL, min_size=1, max_size=8))
def test_a_name_comes_back_as_it_was_written(labels: list[str]) -> None:
    name = ".".join(labels)
    data = encoded(name)
    assert read_name(data, 0) == (name, len(data))


@pytest.mark.parametrize(
    "data",
    [b"\xc0\x00", b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00", b"\xc0\x04\x00\x00\x00", b"\x40a\x00", b"\x05ab"],
)
def test_names_that_lead_in_circles_forward_or_out_of_the_message_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_name(data, 0)


def test_a_chain_of_pointers_cannot_make_a_name_longer_than_255() -> None:
    data = b"\x3f" + b"a" * 63 + b"\x00"
    at = 0
    for _ in range(20):
        start = len(data)
        data += b"\x3f" + b"b" * 63 + struct.pack("!H", 0xC000 | at)
        at = start
    with pytest.raises(Malformed):
        read_name(data, at)


@given(st.binary(max_size=300))
def test_no_datagram_breaks_the_reader(data: bytes) -> None:
    _harmless(data)


@given(st.binary(max_size=80), st.sampled_from([1, 2, 5, 6, 12, 15, 16, 28, 257, 999]))
def test_no_record_breaks_the_reader(data: bytes, kind: int) -> None:
    _harmless(message(question(NAME, "A", 7), (kind, data)))


def _harmless(data: bytes) -> None:
    try:
        read(data, NAME, "A", 7)
    except Malformed:
        return
