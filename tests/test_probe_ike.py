"""The IKE probe reads what a responder says, meets its cookies and groups, and no answer can trap it."""

from __future__ import annotations

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
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce, IKEv2_SA
from scapy.layers.isakmp import ISAKMP

from verify.probes import ikev1
from verify.probes.ike import NAT_T, USUAL, WEAK, ike, ike_v1, line_of, weak
from verify.probes.ike_message import (
    COOKIE,
    INVALID_KE,
    NAT_DESTINATION,
    NAT_SOURCE,
    NO_PROPOSAL_CHOSEN,
    Malformed,
    nat_hash,
    proposal,
    public_value,
    read,
    request,
)

TOP = Path(__file__).resolve().parent.parent
SPI, MINE = b"initiate", b"responds"
BRIEF = 0.15
Respond = Callable[[bytes, tuple[str, int]], list[bytes]]


def answer(spi: bytes, *parts: tuple[int, bytes], responder: bytes = MINE, exchange: int = 34) -> bytes:
    """Return an answer to an IKE_SA_INIT with these payloads."""
    kinds = [kind for kind, _ in parts] + [0]
    body = b"".join(
        struct.pack("!BBH", following, 0, len(data) + 4) + data
        for (_, data), following in zip(parts, kinds[1:], strict=True)
    )
    return spi + responder + struct.pack("!BBBBII", kinds[0], 0x20, exchange, 0x20, 0, 28 + len(body)) + body


def notify(kind: int, data: bytes = b"") -> tuple[int, bytes]:
    """Return a notification payload."""
    return 41, struct.pack("!BBH", 0, 0, kind) + data


def chosen(*transforms: bytes) -> tuple[int, bytes]:
    """Return an SA payload with one proposal of these transforms."""
    chain = b"".join(
        struct.pack("!BBH", 0 if index == len(transforms) - 1 else 3, 0, len(each) + 4) + each
        for index, each in enumerate(transforms)
    )
    return 33, struct.pack("!BBHBBBB", 0, 0, 8 + len(chain), 1, 1, 0, len(transforms)) + chain


STRONG = chosen(
    b"\x01\x00\x00\x0c\x80\x0e\x01\x00", b"\x02\x00\x00\x05", b"\x03\x00\x00\x0c", b"\x04\x00\x00\x0e"
)


@contextmanager
def responder(respond: Respond) -> Iterator[int]:
    """A responder on loopback that says what it was told to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    data, who = sock.recvfrom(65535)
                    for each in respond(data, who):
                        sock.sendto(each, who)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield sock.getsockname()[1]
        sock.close()


def always(*parts: tuple[int, bytes]) -> Respond:
    """Return what answers everything with the same payloads."""
    return lambda data, who: [answer(data[:8], *parts)]


def test_what_is_sent_is_what_scapy_reads_as_an_ike_sa_init() -> None:
    message = IKEv2(request(proposal(USUAL), SPI, 14, b"", ("192.0.2.1", 500), ("192.0.2.2", 500)))
    assert (message.init_SPI, message.resp_SPI, message.exch_type) == (SPI, bytes(8), 34)
    assert len(message[IKEv2_SA].prop.trans) == len(bytes(message[IKEv2_SA].prop.trans))
    assert (message[IKEv2_KE].group, len(message[IKEv2_KE].ke), len(message[IKEv2_Nonce].nonce)) == (
        14,
        256,
        32,
    )


@pytest.mark.parametrize(
    ("group", "size"), [(1, 96), (2, 128), (14, 256), (16, 512), (19, 64), (20, 96), (31, 32)]
)
def test_a_public_value_has_the_size_of_its_group(group: int, size: int) -> None:
    assert len(public_value(group)) == size


def test_an_accepted_proposal_is_told_with_what_was_chosen_and_where_nat_is() -> None:
    def respond(data: bytes, who: tuple[str, int]) -> list[bytes]:
        spi = data[:8]
        here = notify(NAT_DESTINATION, nat_hash(spi, MINE, *who))
        return [answer(spi, STRONG, notify(NAT_SOURCE, bytes(20)), here)]

    with responder(respond) as port:
        seen = ike("127.0.0.1", port=port)
    assert seen.verdict == "accepted"
    assert seen.chosen == ("aes256", "prfsha256", "sha256", "modp2048")
    assert (seen.nat_here, seen.nat_there, seen.tries) == (False, True, 1)
    assert line_of(seen) == (
        f"udp {port} {USUAL}: accepted aes256-prfsha256-sha256-modp2048, no NAT here,"
        " NAT there (or encapsulation forced)"
    )


def test_a_refusal_is_a_refusal_and_any_other_notification_is_named() -> None:
    with responder(always(notify(NO_PROPOSAL_CHOSEN))) as port:
        assert ike("127.0.0.1", port=port).verdict == "refused"
    with responder(always(notify(7))) as port:
        seen = ike("127.0.0.1", port=port)
    assert (seen.verdict, seen.notify) == ("other", "INVALID_SYNTAX")


def test_a_choice_that_was_not_offered_is_not_accepted() -> None:
    with responder(always(chosen(b"\x01\x00\x00\x03"))) as port:
        seen = ike("127.0.0.1", port=port)
    assert (seen.verdict, seen.notify, seen.chosen) == ("other", "chose what was not offered", ("3des",))


def test_a_cookie_is_given_back_and_another_group_is_tried() -> None:
    asked: list[bytes] = []

    def respond(data: bytes, who: tuple[str, int]) -> list[bytes]:
        asked.append(data)
        step = [notify(COOKIE, b"baked"), notify(INVALID_KE, b"\x00\x0e"), STRONG][min(len(asked) - 1, 2)]
        return [answer(data[:8], step, responder=MINE if step is STRONG else bytes(8))]

    with responder(respond) as port:
        seen = ike("127.0.0.1", "aes256-sha256-ecp256-modp2048", port=port)
    assert (seen.verdict, seen.cookie, seen.group, seen.tries) == ("accepted", True, "modp2048", 3)
    assert [b"baked" in each for each in asked] == [False, True, True]
    assert {each[:8] for each in asked} == {asked[0][:8]}


def test_a_group_that_was_not_offered_is_a_refusal_that_names_it() -> None:
    with responder(always(notify(INVALID_KE, b"\x00\x0e"))) as port:
        seen = ike("127.0.0.1", "aes256-sha256-modp1024", port=port)
    assert (seen.verdict, seen.group) == ("refused", "modp2048")


def test_cookies_without_an_end_are_met_a_few_times_only() -> None:
    with responder(always(notify(COOKIE, b"again"))) as port:
        seen = ike("127.0.0.1", port=port)
    assert (seen.verdict, seen.tries) == ("other", 4)


def test_silence_is_told_apart_from_a_closed_port() -> None:
    with responder(lambda data, who: []) as port:
        seen = ike("127.0.0.1", port=port, timeout=BRIEF)
    assert (seen.verdict, seen.tries) == ("silent", 3)
    assert ike("127.0.0.1", port=port, timeout=BRIEF).verdict == "closed"


def test_an_answer_to_the_second_try_counts() -> None:
    heard: list[bytes] = []

    def respond(data: bytes, who: tuple[str, int]) -> list[bytes]:
        heard.append(data)
        return [answer(data[:8], STRONG)] if len(heard) > 1 else []

    with responder(respond) as port:
        seen = ike("127.0.0.1", port=port, timeout=0.5)
    assert (seen.verdict, seen.tries) == ("accepted", 2)
    assert heard[0] == heard[1]


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda spi: b"",
    "one byte": lambda spi: b"\x00",
    "a header alone, of another length": lambda spi: answer(spi, STRONG)[:28],
    "cut in the middle": lambda spi: answer(spi, STRONG)[:60],
    "another SPI": lambda spi: answer(bytes(8), STRONG),
    "a payload of no length": lambda spi: answer(spi, (33, b""))[:-2] + b"\x00\x00",
    "a thousand payloads": lambda spi: answer(spi, *[(43, b"")] * 1000),
    "huge": lambda spi: answer(spi, (43, bytes(20000))),
    "an SA without a proposal": lambda spi: answer(spi, (33, b"\x00")),
    "another exchange": lambda spi: answer(spi, STRONG, exchange=35),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_is_left_aside_for_the_one_that_is(hostile: Callable[[bytes], bytes]) -> None:
    with responder(lambda data, who: [hostile(data[:8]), answer(data[:8], STRONG)]) as port:
        seen = ike("127.0.0.1", port=port, timeout=2.0)
    assert (seen.verdict, seen.strange) == ("accepted", 1)


def test_a_storm_ends_the_waiting() -> None:
    with responder(lambda data, who: [b"noise"] * 200) as port:
        began = time.monotonic()
        seen = ike("127.0.0.1", port=port, timeout=20.0)
    assert (seen.verdict, seen.strange) == ("silent", 64)
    assert time.monotonic() - began < 20.0


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_no_bytes_do_more_than_be_refused(tail: bytes) -> None:
    whole = answer(SPI, (33, tail))
    for data in (tail, whole, SPI + tail, whole[:28] + tail):
        for reading in (read, ikev1.read):
            try:
                reading(data, SPI)  # type: ignore[operator]
            except Malformed:
                continue


def test_the_port_for_nat_carries_a_marker_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    def respond(data: bytes, who: tuple[str, int]) -> list[bytes]:
        heard.append(data[:4])
        return [answer(data[4:12], STRONG), bytes(4) + answer(data[4:12], STRONG)]

    with responder(respond) as port:
        monkeypatch.setattr("verify.probes.ike.NAT_T", port)
        seen = ike("127.0.0.1", port=port, timeout=2.0)
    assert (NAT_T, heard) == (4500, [bytes(4)])
    assert (seen.verdict, seen.strange) == ("accepted", 1)


def test_the_first_message_of_ikev1_is_what_scapy_reads_as_one() -> None:
    for mode, kind in ikev1.MODES.items():
        message = ISAKMP(ikev1.request(kind, SPI))
        assert (message.init_cookie, message.exch_type, message.length) == (SPI, kind, len(message)), mode


@pytest.mark.parametrize("mode", ikev1.MODES)
def test_ikev1_that_is_answered_is_accepted_and_a_notification_is_a_refusal(mode: str) -> None:
    def respond(data: bytes, who: tuple[str, int]) -> list[bytes]:
        head = struct.pack("!BBBBII", 1, 0x10, ikev1.MODES[mode], 0, 0, 40)
        return [data[:8] + MINE + head + struct.pack("!BBH", 0, 0, 12) + bytes(8)]

    with responder(respond) as port:
        assert ike_v1("127.0.0.1", mode, port=port).verdict == "accepted"

    def refuse(data: bytes, who: tuple[str, int]) -> list[bytes]:
        head = struct.pack("!BBBBII", 11, 0x10, 5, 0, 7, 40)
        return [data[:8] + bytes(8) + head + struct.pack("!BBHIBBH", 0, 0, 12, 1, 1, 0, 14)]

    with responder(refuse) as port:
        seen = ike_v1("127.0.0.1", mode, port=port)
    assert (seen.verdict, seen.notify) == ("refused", "NO_PROPOSAL_CHOSEN")


def test_everything_weak_is_offered_one_by_one() -> None:
    with responder(always(notify(NO_PROPOSAL_CHOSEN))) as port:
        seen = weak("127.0.0.1", port=port)
    assert [each.asked for each in seen] == [*WEAK, "IKEv1 main", "IKEv1 aggressive"]
    assert {each.verdict for each in seen} == {"refused"}


@pytest.mark.parametrize(
    "text", ["", "aes256", "aes256-sha256", "rot13-sha256-modp2048", "aes256-sha256-modp1"]
)
def test_what_is_no_proposal_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no proposal such as aes256-sha256-modp2048"):
        proposal(text)


def test_the_probe_can_be_used_alone() -> None:
    argv = [sys.executable, "-m", "verify.probes.ike", "127.0.0.1", "--port", "9", "--timeout", "0.1"]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"udp 9 {USUAL}: closed\n")
