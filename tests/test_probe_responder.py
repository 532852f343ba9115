"""The responder on the far host: whom it answers, what it leaves to calls, and when it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.probes.child import Child, Silent
from verify.probes.responder import ANSWER, ASK, NOBODY, TOKEN, nonce_of, pairs, token
from verify.probes.rtp import PROGRAM, on_host

TOP = Path(__file__).resolve().parent.parent
HERE = ("env", "PATH=/usr/bin:/bin", "sh", "-c")
INNER = "127.0.0.1"
KEY = bytes(16)


def begun(numbers: Iterable[int], seconds: int = 60, rate: int = 20_000, host: Iterable[str] = HERE) -> Child:
    """Start a responder by hand."""
    child = Child("the responder", [*host, on_host(numbers)])
    child.write(PROGRAM)
    child.say({"key": KEY.hex(), "addresses": [INNER], "ports": list(numbers), "rate": rate,
               "seconds": seconds})  # fmt: skip
    return child


def test_a_call_finds_free_ports_at_any_moment() -> None:
    """It looks for an even port and the one above, as Asterisk does, while every slice is bound in turn."""
    numbers = range(21600, 21640)
    calls = []
    with begun(numbers) as far:
        while True:
            said = far.hear(20)
            for even in numbers[::2]:
                two = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
                try:
                    two[0].bind(("0.0.0.0", even))
                    two[1].bind(("0.0.0.0", even + 1))
                except OSError:
                    for sock in two:
                        sock.close()
                    continue
                calls += two
                break
            else:
                pytest.fail("no pair was left for a call")
            if not said["left"]:
                break
            far.say({"keep": [21600]})
    assert len(calls) >= 8
    for sock in calls:
        sock.close()


@pytest.mark.parametrize("data", [b"", b"x" * 28, b"x" * 1200, token(ASK, KEY, bytes(8), 21602),
                                  token(ASK, b"another key.....", bytes(8), 21600),
                                  token(ANSWER, KEY, bytes(8), 21600),
                                  token(ASK, KEY, bytes(8), 21600) + b"x"])  # fmt: skip
def test_only_a_valid_token_for_this_port_is_answered(data: bytes) -> None:
    with begun([21600]) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert far.hear(20)["bound"] == [21600]
        right = token(ASK, KEY, b"nonce..8", 21600)
        sock.settimeout(20)
        sock.sendto(data, (INNER, 21600))
        sock.sendto(right, (INNER, 21600))
        answer = sock.recv(4096)
    assert nonce_of(answer, ANSWER, KEY, 21600) == b"nonce..8"
    assert len(answer) == len(right)


def test_no_more_is_answered_than_the_rate_allows() -> None:
    with begun([21600], rate=50) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        far.hear(20)
        began = time.monotonic()
        for number in range(400):
            sock.sendto(token(ASK, KEY, number.to_bytes(8, "big"), 21600), (INNER, 21600))
        far.say({})  # everything has been read when the next slice is told
        assert far.hear(20)["heard"] == [[INNER, 21600, 0]]
        windows = int((time.monotonic() - began) * 10) + 2
        sock.setblocking(False)
        answers = 0
        while sock_has(sock):
            answers += 1
    assert 0 < answers <= 5 * windows


def sock_has(sock: socket.socket) -> bool:
    """Take one datagram where there is one."""
    try:
        return bool(sock.recv(4096))
    except BlockingIOError:
        return False


def ended(child: Child) -> bool:
    """Wait until a responder says no more."""
    try:
        child.hear(20)
    except Silent as silent:
        return "ended" in str(silent)
    return False


def test_it_ends_when_its_time_is_up_although_nobody_closes_it() -> None:
    with begun([21600], seconds=1) as far:
        far.hear(20)
        assert ended(far)


def test_it_ends_with_the_process_that_started_it() -> None:
    program = (
        "import time; from tests.test_probe_responder import begun\n"
        "c = begun([21600]); c.hear(20); print(c._process.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=TOP, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    number = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{number}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.02)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((INNER, 21600))


def test_it_gives_up_root_where_no_port_needs_it() -> None:
    with begun([21600]) as far:
        far.hear(20)
        status = Path(f"/proc/{far._process.pid}/status").read_text()
    assert f"Uid:\t{NOBODY}\t{NOBODY}" in status


def test_the_key_is_in_no_argv() -> None:
    with begun([21600]) as far:
        far.hear(20)
        words = Path(f"/proc/{far._process.pid}/cmdline").read_bytes()
    assert KEY.hex().encode() not in words
    assert b"python3" in words


@given(st.binary(max_size=64))
def test_no_bytes_break_the_reader_of_tokens(data: bytes) -> None:
    assert nonce_of(data, ASK, KEY, 7) is None or len(data) == TOKEN.size


@given(st.sets(st.integers(1, 65535), max_size=80))
def test_pairs_are_all_ports_each_once_and_an_odd_one_never_leads(numbers: set[int]) -> None:
    found = list(pairs(numbers))
    assert [port for pair in found for port in pair] == sorted(numbers)
    assert all(pair[0] % 2 == 0 and pair[1] == pair[0] + 1 for pair in found if len(pair) == 2)
