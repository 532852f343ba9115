"""No peer costs the SIP probe more than bounded time and memory, whatever it sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from verify.probes.sip_flow import Server
from verify.probes.sip_look import Question, look
from verify.probes.sip_transaction import Timers

QUICK = Timers(t1=0.1, t2=0.4, limit=1.2)
FIRST = b"SIP/2.0 200 OK\r\n"


@contextmanager
def peer(kind: str, serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A hostile server on loopback; `kind` "TCP": `serve` gets each connection, else the bound socket."""
    kinds = socket.SOCK_STREAM if kind == "TCP" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kinds) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)

        def run() -> None:
            try:
                if kind == "TCP":
                    connection, _ = sock.accept()
                    with connection:
                        connection.settimeout(10)
                        serve(connection)
                else:
                    serve(sock)
            except OSError:
                return

        if kind == "TCP":
            sock.listen()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        sock.close()
        thread.join(12)


def endless(sock: socket.socket) -> None:
    """Send header lines without an end."""
    sock.sendall(b"SIP/2.0 200 OK\r\n")
    while True:
        sock.sendall(b"X-More: and more\r\n" * 100)


def giant(sock: socket.socket) -> None:
    """Announce a body that nobody could hold."""
    sock.sendall(b"SIP/2.0 200 OK\r\nContent-Length: 4000000000\r\n\r\n")
    while sock.recv(1024):
        continue


def drip(sock: socket.socket) -> None:
    """Send a byte now and then."""
    for byte in b"SIP/2.0 200 OK\r\nX: " + b"y" * 1000:
        sock.sendall(bytes((byte,)))
        threading.Event().wait(0.05)


def no_sip(sock: socket.socket) -> None:
    """Speak another protocol."""
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    sock.recv(1024)
    sock.recv(1024)


def hang_up(sock: socket.socket) -> None:
    """Close at once."""
    sock.recv(10)


@pytest.mark.parametrize(
    ("serve", "ending"),
    [(endless, "garbled"), (giant, "garbled"), (drip, "silent"), (no_sip, "garbled"), (hang_up, "closed")],
)
def test_no_stream_holds_the_probe(serve: Callable[[socket.socket], None], ending: str) -> None:
    with peer("TCP", serve) as port:
        answer = look(Server("127.0.0.1", port, "TCP"), Question(timers=QUICK)).answers[0]
    assert (answer.meaning, answer.ending) == ("dead", ending)
    assert answer.seconds < 4


def storm(message: bytes) -> Callable[[socket.socket], None]:
    """Return what answers one request with a storm."""

    def serve(sock: socket.socket) -> None:
        _, asker = sock.recvfrom(65535)
        for _ in range(20000):
            sock.sendto(message, asker)

    return serve


@pytest.mark.parametrize(
    "message",
    [b"\xff" * 1400, FIRST + b"v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\r\n", b"\r\n\r\n",
     FIRST + b"v: " + b"<" * 60000 + b"\r\n\r\n", FIRST + b'v: "' + b'\\"' * 30000 + b"\r\n\r\n"],
    ids=["garbage", "strays", "keep-alives", "brackets", "quotes"],
)  # fmt: skip
def test_no_storm_holds_the_probe(message: bytes) -> None:
    with peer("UDP", storm(message)) as port:
        answer = look(Server("127.0.0.1", port), Question(timers=QUICK)).answers[0]
    assert answer.status == 0
    assert answer.seconds < 4


def test_tls_that_never_answers_ends_in_time() -> None:
    with peer("TCP", drip) as port:
        answer = look(Server("127.0.0.1", port, "TLS"), Question(timers=QUICK)).answers[0]
    assert answer.ending in ("insecure", "silent")
