"""Every case of RFC 4475 and RFC 5118 is read as it is wanted, and a server of ours survives them all."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.sip_server import Say, reply, uas
from verify.probes.sip_flow import Server
from verify.probes.sip_grammar import Malformed
from verify.probes.sip_message import Request, build, parse, read
from verify.probes.sip_sdp import described
from verify.probes.sip_torture import CASES, torture
from verify.probes.sip_torture_case import Case, request

BY_NAME = {case.name: case for case in CASES}


def message(case: Case) -> bytes:
    """Return a case as it would be sent between two documentation addresses."""
    return case.message("192.0.2.61:5066", "192.0.2.10", "run1")


def test_there_is_a_message_for_every_case_of_both_documents() -> None:
    assert Counter(case.rfc for case in CASES) == {4475: 49, 5118: 11}
    assert len({case.name for case in CASES}) == 60
    assert len({message(case) for case in CASES}) == 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_accepted_or_refused_for_its_reason(case: Case) -> None:
    if case.wanted:
        with pytest.raises(Malformed) as caught:
            parse(message(case))
        assert caught.value.reason == case.wanted
    else:
        assert parse(message(case)) == parse(build(parse(message(case))))


def test_what_all_of_them_are_made_of_has_nothing_wrong_with_it() -> None:
    """Else a case might be refused for something that it is not about."""
    plain = Case("plain", "", "", None, 0, request("OPTIONS"))
    assert isinstance(parse(message(plain)), Request)


def accepted(name: str) -> Request:
    """Return a case that is a request, as it was read."""
    found = parse(message(BY_NAME[name]))
    assert isinstance(found, Request)
    return found


def test_folded_and_spaced_headers_are_read_as_they_are_meant() -> None:
    seen = accepted("wsinv")
    assert [(via.transport, via.host, via.port) for via in seen.vias] == [
        ("UDP", "192.0.2.61", 5066), ("TCP", "relay.example.com", None), ("UDP", "192.0.2.62", 5090)
    ]  # fmt: skip
    assert seen.vias[0].branch == "z9hG4bKrun1wsinv"
    assert seen.cseq == (31, "INVITE")
    assert (seen.address("from").display, seen.address("from").tag) == ('D\'Arcy \\ the "Third"', "run1wsinv")
    assert seen.address("to").tag == "folded"
    assert described(seen)


def test_odd_but_right_words_are_kept_to_the_letter() -> None:
    seen = accepted("intmeth")
    assert seen.method == seen.cseq[1] == "!odd-Method_0+1*2`3.%really'~"
    assert seen.address("to").display == "bell \x07 nul \x00 del \x7f"
    assert accepted("esc02").method == "O%50TION%53"
    assert accepted("semiuri").uri.startswith("sip:torture;day=7%40example.org@")


def test_what_stands_behind_a_body_in_a_datagram_is_left_aside() -> None:
    seen = accepted("dblreq")
    assert (seen.method, seen.body) == ("REGISTER", b"")


def test_a_body_of_bytes_is_kept_to_the_byte() -> None:
    assert b"\x00\x01\xff\xfe\x1a\t--cut-here-\x80" in accepted("mpart01").body


def test_the_way_back_is_read_with_and_without_brackets() -> None:
    names = ("via-received-param-with-delim", "via-received-param-no-delim")
    assert {accepted(name).vias[1].received for name in names} == {"2001:db8:5::63"}


def test_descriptions_of_both_versions_are_read() -> None:
    for name, wanted in (("ipv6-in-sdp", ["2001:db8:5::61"]), ("ipv4-mapped-ipv6", ["::ffff:192.0.2.61"]),
                         ("mult-ip-in-sdp", ["2001:db8:5::61", "192.0.2.61"])):  # fmt: skip
        session = described(accepted(name))
        assert session
        assert [session.address(media) for media in session.media] == wanted


def test_a_server_is_told_to_survive_by_what_it_answers_afterwards() -> None:
    def script(text: str, say: Say) -> None:
        if "\r\nMax-Forwards: 0\r\n" in text:
            say(reply(text, 483, "Too Many Hops"))
        elif text.startswith("OPTIONS") and "Trunkline-probe" in text:
            say(reply(text, 200, "OK"))

    with uas(script) as server:
        wanted = [BY_NAME[name] for name in ("zeromf", "bigcode")]
        seen = torture(Server("127.0.0.1", server.port), wanted, wait=0.5)
    assert [(each.name, each.answers, each.alive) for each in seen] == [
        ("zeromf", (483,), True), ("bigcode", (), True)
    ]  # fmt: skip


def test_a_server_that_dies_of_a_message_is_seen_dead() -> None:
    dead: list[str] = []

    def script(text: str, say: Say) -> None:
        if "SIP/4.1" in text:
            dead.append(text)
        elif not dead:
            say(reply(text, 200, "OK"))

    with uas(script) as server:
        seen = torture(Server("127.0.0.1", server.port), [BY_NAME["lwsdisp"], BY_NAME["badvers"]], wait=0.2)
    assert [each.alive for each in seen] == [True, False]


def test_a_case_on_a_stream_ends_where_its_length_says() -> None:
    assert read(message(BY_NAME["clerr"]).replace(b"9000", b"1"), stream=True).body == b"v"
