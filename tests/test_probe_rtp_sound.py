"""Sound over a network made for the test: what is lost, late, repeated or intruded is told as it was."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.rtp_echo import Echo
from tests.udp_relay import Fate, Relay
from verify.probes.rtp_media import Media
from verify.probes.rtp_sound import Sound, lines_of, sound_of

FRONT, HERE = "127.0.0.9", "127.0.0.1"
SHORT, WITH_INTRUDER, WITH_REPORT = 1.2, 2.0, 2.4
"""Seconds of sound: before the second source begins, with it, and until RTCP was exchanged."""


def heard(address: str, port: int, seconds: float) -> Sound:
    """Send sound to an address and return what came of it."""
    with Media("::1" if ":" in address else HERE) as media:
        media.run((address, port), (address, port + 1), seconds)
        return sound_of(media, (address, port))


def echoed(seconds: float = SHORT, **how: Any) -> Sound:
    """Send sound to an echo on loopback."""
    with Echo(**how) as echo:
        return heard(echo.address, echo.port, seconds)


def relayed(fate: Fate, seconds: float = SHORT) -> Sound:
    """Send sound to an echo through a relay."""
    with Echo() as echo, Relay(FRONT, HERE, (echo.port, echo.port + 1), fate):
        return heard(FRONT, echo.port, seconds)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_packet_comes_back_and_they_report_so(address: str) -> None:
    sound = echoed(WITH_REPORT, address=address)
    assert sound.hearing == "both ways"
    assert (sound.echoed, sound.loss, sound.duplicates, sound.others) == (sound.sent, 0.0, 0, 0)
    assert sound.from_declared
    assert (sound.far_loss, sound.far_jitter_ms) == (0, 2.0)
    assert sound.far_round_trip_ms is not None
    assert sound.reports >= 1


def test_sound_is_sent_every_20_ms_and_waiting_costs_no_work() -> None:
    with Echo(deaf=True) as echo, Media(HERE) as media:
        began = time.thread_time()
        media.run((HERE, echo.port), (HERE, echo.port + 1), 2.0)
        work = time.thread_time() - began
    sound = sound_of(media, (HERE, echo.port))
    assert 90 <= sound.sent <= 100
    assert work < 0.5
    assert sound.own_latest_ms >= 0


def test_what_is_lost_on_the_way_is_counted_and_costs_quality() -> None:
    gone: list[bytes] = []

    def fate(direction: str, port: int, data: bytes) -> tuple[float, ...]:
        if direction == "in" and len(data) == 172 and int.from_bytes(data[12:16], "big") % 5 == 4:
            gone.append(data)
            return ()
        return (0.0,)

    sound = relayed(fate)
    assert sound.sent - sound.echoed == len(gone) > 5
    assert sound.quality is not None
    assert sound.quality.loss >= 0.15
    assert sound.quality.mos < 3.5


def test_jitter_of_the_way_is_told_apart_from_our_own() -> None:
    def fate(direction: str, port: int, data: bytes) -> tuple[float, ...]:
        odd = len(data) == 172 and int.from_bytes(data[12:16], "big") % 2
        return (0.06 if odd and direction == "out" else 0.045,) if direction == "out" else (0.0,)

    sound = relayed(fate)
    assert sound.round_trip_ms is not None
    assert sound.round_trip_ms[0] >= 45
    assert sound.path_jitter_ms > 7
    assert sound.jitter_ms > 5


def test_packets_that_come_twice_or_overtake_are_told() -> None:
    def fate(direction: str, port: int, data: bytes) -> tuple[float, ...]:
        index = int.from_bytes(data[12:16], "big") if len(data) == 172 and direction == "in" else 1
        return (0.0, 0.001) if index == 10 else (0.3,) if index == 20 else (0.0,)

    sound = relayed(fate)
    assert (sound.duplicates, sound.loss) == (1, 0.0)
    assert sound.reordered >= 1
    assert sound.late >= 1


@pytest.mark.parametrize(
    ("how", "hearing"),
    [
        ({}, "both ways"),
        ({"mute": True}, "we do not hear them"),
        ({"deaf": True, "mute": True}, "silence"),
        ({"breaks": True}, "they do not hear us"),
    ],
)
def test_who_hears_whom_is_told(how: dict[str, bool], hearing: str) -> None:
    assert echoed(WITH_REPORT, **how).hearing == hearing


def test_sound_without_our_tokens_is_no_echo() -> None:
    sound = echoed(SHORT, breaks=True)
    assert (sound.echoed, sound.quality) == (0, None)
    assert sound.others > 50


def test_a_second_source_gets_nothing_from_a_strict_peer_and_all_from_another() -> None:
    strict, loose = echoed(WITH_INTRUDER), echoed(WITH_INTRUDER, strict=False)
    assert min(strict.intruder_sent, loose.intruder_sent) > 10  # how many exactly is the machine's matter
    assert (strict.intruder_got, strict.intruder_heard) == (0, 0)
    assert loose.intruder_got > 0


def test_a_second_source_that_is_played_to_us_is_heard() -> None:
    """Behind a relay the echo cannot tell the two apart, as a peer that mixes every source would not."""
    sound = relayed(lambda *_: (0.0,), WITH_INTRUDER)
    assert sound.intruder_heard + sound.intruder_got > 0


def test_media_from_elsewhere_than_declared_is_told() -> None:
    sound = echoed(SHORT, answer_from="127.0.0.3")
    assert not sound.from_declared
    assert sound.seen_from[0].startswith("127.0.0.3:")


@contextmanager
def flooded(port_of: Media) -> Iterator[None]:
    """Send garbage and repeated packets to a media port, as fast as it goes."""
    stop = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not stop.wait(0.001):
                for data in (b"", b"\x80", bytes(1400), b"\x80\x00" + bytes(170), b"\x80\xc8" + bytes(60)):
                    sock.sendto(data, (HERE, port_of.port))
                    sock.sendto(data, (HERE, port_of.port + 1))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_flood_of_garbage_costs_bounded_time_and_memory() -> None:
    with Echo() as echo, Media(HERE) as media, flooded(media):
        began = time.monotonic()
        media.run((HERE, echo.port), (HERE, echo.port + 1), SHORT)
        took = time.monotonic() - began
    sound = sound_of(media, (HERE, echo.port))
    assert took < SHORT + 2
    assert sound.echoed > 0
    assert len(media.sources) <= 16
    assert len(media.echoes.back) <= sound.sent


def test_it_ends_when_the_call_does() -> None:
    with Echo() as echo, Media(HERE) as media:
        media.run((HERE, echo.port), (HERE, echo.port + 1), 60, lambda: len(media.echoes.back) < 3)
    assert 3 <= len(media.echoes.back) < 20


def test_what_was_heard_reads_well_and_names_what_was_assumed() -> None:
    text = "\n".join(lines_of(echoed(SHORT)))
    assert "both ways" in text
    assert "of it our own sending" in text
    assert "assumed: ITU-T G.107" in text
