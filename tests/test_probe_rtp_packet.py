"""RTP, RTCP, tokens and the E-model against others' readers, published values, and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.rtcp import RTCP
from scapy.layers.rtp import RTP

from verify.probes.emodel import opinion, quality, rating
from verify.probes.rtp_heard import Echoes, Jitter, Received
from verify.probes.rtp_packet import Block, Rtp, build_report, build_rtp, middle, read_rtcp, read_rtp
from verify.probes.rtp_token import INTRUDERS, OURS, SAMPLES, index_of, sound, ulaw

KEY = bytes(16)
packets = st.builds(
    Rtp, st.integers(0, 63), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
    st.binary(max_size=200), st.booleans(),
)  # fmt: skip


@given(packets)
def test_a_packet_survives_being_written_and_read(packet: Rtp) -> None:
    assert read_rtp(build_rtp(packet)) == packet


def test_a_packet_is_what_scapy_reads() -> None:
    seen = RTP(build_rtp(Rtp(0, 7, 160, 99, b"x" * 160, True)))
    assert (seen.version, seen.payload_type, seen.sequence, seen.timestamp, seen.sourcesync, seen.marker) == (
        2, 0, 7, 160, 99, 1,
    )  # fmt: skip
    assert bytes(seen.payload) == b"x" * 160


def test_contributors_an_extension_and_padding_are_left_out_of_the_sound() -> None:
    head = bytes([0x80 | 0x20 | 0x10 | 2, 0]) + bytes(10)
    more = bytes(8) + b"\xbe\xde\x00\x01" + bytes(4)
    found = read_rtp(head + more + b"sound" + b"\x00\x00\x03")
    assert found is not None
    assert found.payload == b"sound"


@pytest.mark.parametrize("data", [b"", b"\x80\x00", bytes(12), b"\xb0" + bytes(11), b"\x80\xc8" + bytes(24),
                                  b"\xa0" + bytes(11), b"\xa0\x00" + bytes(10) + b"\xff"])  # fmt: skip
def test_what_is_no_packet_is_none(data: bytes) -> None:
    assert read_rtp(data) is None


@given(st.binary(max_size=400))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    read_rtp(data)
    read_rtcp(data)
    assert index_of(data, OURS, KEY) is None


def test_a_report_is_what_scapy_reads_and_we_read_again() -> None:
    block = Block(7, 0.25, -3, 70000, 16, 0x12345678, 1.5)
    data = build_report(99, 1_700_000_000.5, 160, 10, 1600, block, bye=True)
    seen = RTCP(data)
    assert (seen.packet_type, seen.count, seen.sourcesync) == (200, 1, 99)
    assert seen.sender_info.sender_packet_count == 10
    report = seen.report_blocks[0]
    assert (report.fraction_lost, report.highest_seqnum_recv, report.interarrival_jitter) == (64, 70000, 16)
    first, last = read_rtcp(data)
    assert (first.kind, first.ntp, first.blocks) == ("SR", 1_700_000_000.5, (block,))
    assert (last.kind, last.ssrc) == ("BYE", 99)


def test_a_compound_packet_is_read_up_to_where_it_breaks() -> None:
    data = build_report(99, 1.0, 0, 0, 0, None)
    assert [part.kind for part in read_rtcp(data + b"\x80\xc9\xff\xff")] == ["SR"]
    assert read_rtcp(b"\x9f\xc9\x00\x01" + bytes(4))[0].blocks == ()


@pytest.mark.parametrize(("sample", "code"), [(0, 0xFF), (-1, 0x7F), (32767, 0x80), (-32768, 0x00),
                                              (1000, 0xCE), (-1000, 0x4E)])  # fmt: skip
def test_samples_are_coded_as_g711_has_them(sample: int, code: int) -> None:
    assert ulaw(sample) == code


@given(st.integers(0, 2**32 - 1))
def test_a_token_proves_which_packet_it_was_and_whose(index: int) -> None:
    payload = sound(OURS, KEY, index)
    assert len(payload) == SAMPLES
    assert index_of(payload, OURS, KEY) == index
    assert index_of(payload, INTRUDERS, KEY) is index_of(payload, OURS, bytes(15) + b"x") is None


def test_jitter_is_what_rfc_3550_computes() -> None:
    """Steps of 10 ms there and back: J grows by (10 - J) / 16 each time."""
    jitter, wanted = Jitter(), 0.0
    for index in range(50):
        jitter.take(index * 0.02 + (0.01 if index % 2 else 0.0), index * 160)
        wanted += (0.01 - wanted) / 16 if index else 0.0
    assert jitter.seconds == pytest.approx(wanted)


def test_jitter_does_not_mind_a_timestamp_that_begins_anew() -> None:
    jitter = Jitter()
    for index in range(20):
        jitter.take(index * 0.02, (2**32 - 800 + index * 160) % 2**32)
    assert jitter.seconds == pytest.approx(0, abs=1e-6)


def test_loss_is_counted_over_the_end_of_the_sequence_numbers() -> None:
    numbers = [65534, 65535, 1, 2, 4]
    received = Received.begun(Rtp(0, numbers[0], 0, 7, b""))
    for number in numbers:
        received.take(0.0, Rtp(0, number, 0, 7, b""))
    block = received.block(0.0)
    assert (received.expected, block.lost, block.highest) == (7, 2, 65536 + 4)
    assert block.fraction == pytest.approx(2 / 7)
    assert middle(-2208988800 + 1.0) == 65536


def test_losses_that_stand_together_are_a_burst() -> None:
    echoes = Echoes(sent=[0.0] * 100)
    for index in range(100):
        if not 40 <= index < 50:
            echoes.take(index, 0.01)
    assert echoes.burst == pytest.approx(9)
    echoes.take(100, 0.01)
    assert len(echoes.back) == 90


@pytest.mark.parametrize(
    ("ms", "loss", "r"),
    [(0, 0, 93.2), (0, 5, 77.4), (0, 1, 89.6)],
)
def test_the_rating_is_that_of_g107(ms: float, loss: float, r: float) -> None:
    """93.2 is what the recommendation gives for its default values; the rest is Ie,eff by hand."""
    assert rating(ms, loss) == pytest.approx(r, abs=0.06)


@pytest.mark.parametrize(("r", "mos"), [(-5, 1.0), (0, 1.0), (50, 2.58), (60, 3.1), (70, 3.6), (80, 4.03),
                                        (90, 4.34), (93.2, 4.41), (100, 4.5)])  # fmt: skip
def test_the_opinion_of_a_rating_is_that_of_annex_b(r: float, mos: float) -> None:
    assert opinion(r) == pytest.approx(mos, abs=0.01)


@given(st.floats(0, 2000), st.floats(0, 1), st.floats(0, 1))
def test_more_loss_is_never_better_and_a_score_stays_in_its_bounds(ms: float, one: float, two: float) -> None:
    less, more = sorted((one, two))
    assert 1 <= quality(ms, more).mos <= quality(ms, less).mos <= 4.5
