"""What is told of calls by what was on a cable: no host needed."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address
from pathlib import Path

from twin.sip_heard import Call, Heard, Message, Stream, calls
from twin.wiretap import MESSAGES, VOICES, Tap

CARRIER, PBX = "203.0.113.76", "198.51.100.12"
OWN = (CARRIER,)
OFFER = (
    "v=0\r\nc=IN IP4 {}\r\nm=audio {} RTP/AVP 8 96 101\r\n"
    "a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def said(at: float, way: str, start: str, method: str = "INVITE", *more: str, body: str = "") -> Message:
    """Return a message; `way` is > from the carrier, < from the PBX."""
    here, there = (CARRIER, PBX) if way == ">" else (PBX, CARRIER)
    lines = (
        *(start, f"Via: SIP/2.0/UDP {here}:5060;branch=z9hG4bK1", "f: <sip:+12025550100@there>;tag=1"),
        *("t: <sip:900@there>", "Call-ID: one", f"CSeq: 7 {method}", *more),
    )
    return Message(at, f"{here}:5060", f"{there}:5060", "\r\n".join((*lines, "", body)))


def only(*messages: Message, streams: tuple[Stream, ...] = ()) -> Call:
    """Return the one call that these make."""
    (call,) = calls(messages, list(streams), OWN)
    return call


def invited(way: str = ">", place: str = CARRIER) -> Message:
    """Return the beginning of a call."""
    return said(1, way, "INVITE sip:900@there SIP/2.0", body=OFFER.format(place, 20000))


ANSWERED = (
    invited(),
    said(1.1, "<", "SIP/2.0 100 Trying"),
    said(2, "<", "SIP/2.0 200 OK", "INVITE", "m: <sip:10.0.0.1:5060>", body=OFFER.format("10.0.0.1", 10002)),
)


def test_an_answered_call_has_its_numbers_codecs_voices_and_the_address_that_the_pbx_names() -> None:
    voices = (
        Stream(f"{CARRIER}:20000", f"{PBX}:10002", 8, 100, 2, 4),
        Stream(f"{PBX}:10002", f"{CARRIER}:20000", 8, 90, 2, 4),
        Stream(f"{PBX}:10002", f"{CARRIER}:20000", 8, 5, 900, 901),
    )
    call = only(*ANSWERED, said(5, ">", "BYE sip:900@there SIP/2.0", "BYE"), streams=voices)
    assert (call.number, call.caller, call.source) == ("900", "+12025550100", CARRIER)
    assert (call.status, call.statuses, call.answered) == (200, (100, 200), True)
    assert (call.offered, call.codec, call.sent, call.received) == (("alaw", "opus"), "alaw", 100, 90)
    assert (call.media, call.heard_from) == ("10.0.0.1:10002", f"{PBX}:10002")
    assert (call.contact, call.via) == ("sip:10.0.0.1:5060", "")
    assert (call.seconds, call.ended, call.over) == (3.0, "carrier", True)


def test_a_call_that_goes_on_is_not_over_and_lasts_to_its_last_packet() -> None:
    voice = Stream(f"{CARRIER}:20000", f"{PBX}:10002", 8, 100, 2, 4.5)
    call = only(*ANSWERED, streams=(voice,))
    assert (call.seconds, call.ended, call.over) == (2.5, "", False)


def test_what_is_asked_again_within_a_call_does_not_change_how_it_was_answered() -> None:
    again = said(3, "<", "SIP/2.0 488 Not Acceptable Here")
    assert only(*ANSWERED, again).status == 200


def test_a_call_that_is_challenged_first_is_one_call() -> None:
    challenged = said(1.5, ">", "SIP/2.0 401 Unauthorized")
    call = only(invited("<", PBX), challenged, invited("<", PBX), said(2, ">", "SIP/2.0 486 Busy Here"))
    assert (call.statuses, call.status, call.answered, call.over) == ((401, 486), 486, False, True)
    assert (call.source, call.via, call.media) == (CARRIER, f"{PBX}:5060", f"{PBX}:20000")


def test_silence_is_no_answer() -> None:
    call = only(invited())
    assert (call.status, call.answered, call.over, call.seconds) == (0, False, False, 0.0)


def test_other_requests_are_no_calls() -> None:
    assert [*calls([said(1, "<", "OPTIONS sip:there SIP/2.0", "OPTIONS")], [], OWN)] == []


def packet(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """Return an IPv4 packet with a datagram."""
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    return head + IPv4Address(source).packed + IPv4Address(target).packed + udp


def test_the_tap_keeps_messages_counts_voices_and_leaves_the_rest(tmp_path: Path) -> None:
    tap = Tap(tmp_path)
    voice = bytes((0x80, 0x88)) + b"\0" * 6 + b"\0\0\0\1" + b"x" * 160
    report = bytes((0x80, 200)) + b"\0" * 30
    message = ANSWERED[0].text.encode()
    for data in (voice, voice, report, b"not a message", b"", message):
        tap.hear(packet(CARRIER, PBX, (20000, 10002), data))
    tap.hear(b"\x45")
    tap.write()
    heard = Heard(tmp_path)
    (stream,) = heard.streams()
    assert (stream.source, stream.target, stream.payload, stream.count) == (
        f"{CARRIER}:20000", f"{PBX}:10002", 8, 2,
    )  # fmt: skip
    (found,) = heard.messages()
    assert (found.text.encode(), found.method, found.source) == (message, "INVITE", f"{CARRIER}:20000")
    assert heard.messages(since=found.at) == []


def test_a_line_that_is_just_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    whole = {"at": 1.0, "source": "a:1", "target": "b:2", "text": "OPTIONS sip:x SIP/2.0\r\n\r\n"}
    text = json.dumps(whole)
    (tmp_path / MESSAGES).write_text(f"{text}\n{text[:30]}")
    (tmp_path / VOICES).write_text("{")
    assert len(Heard(tmp_path).messages()) == 1
    assert Heard(tmp_path).streams() == []
