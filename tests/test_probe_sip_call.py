"""A call is set up, changed, kept alive and ended as RFC 3261 has it, over every transport."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.sip_server import Say, Script, Uas, accept_calls, asked, described, header, reply, uas
from verify.probes.sip_dialog import Dialog
from verify.probes.sip_digest import Credentials
from verify.probes.sip_flow import Server, opened
from verify.probes.sip_invite import Call, invite
from verify.probes.sip_offer import negotiated, offer
from verify.probes.sip_transaction import Timers

QUICK = Timers(t1=0.05, t2=0.2, limit=4.0)
PASSWORD = "open sesame"


@contextmanager
def called(script: Script, transport: str = "UDP", **how: object) -> Iterator[tuple[Uas, Call]]:
    """Call a server of this script."""
    with (
        uas(script, transport) as server,
        opened(Server("127.0.0.1", server.port, transport)) as flow,  # type: ignore[arg-type]
    ):
        media = offer(flow.here[0], 41000)
        yield server, invite(flow, "sip:echo@127.0.0.1", media, **{"timers": QUICK, **how})  # type: ignore[arg-type]


def dialog(call: Call) -> Dialog:
    """Return the dialog of a call that was answered."""
    assert call.dialog, call.outcomes
    return call.dialog


def attend_until(live: Dialog, seen: Callable[[], bool]) -> None:
    """Attend to a dialog until something is seen; 8 s at most."""
    end = time.monotonic() + 8
    while not seen():
        assert time.monotonic() < end
        live.attend(0.05)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_call_is_answered_acknowledged_and_hung_up(transport: str) -> None:
    with called(accept_calls, transport) as (server, call):
        live = dialog(call)
        ack = server.wait("ACK")
        bye = live.bye()
    assert [each.status for each in call.outcomes[-1].responses] == [100, 200]
    assert bye
    assert bye.status == 200
    assert server.methods == ["INVITE", "ACK", "BYE"]
    assert header(ack, "To") == header(server.seen[-1], "To") == "<sip:echo@127.0.0.1>;tag=uas7"
    assert header(server.seen[0], "CSeq").split()[0] == header(ack, "CSeq").split()[0]
    assert live.state == "we hung up"


def test_what_the_answer_says_of_media_is_read() -> None:
    with called(accept_calls) as (_, call):
        live = dialog(call)
        assert live.local
        assert live.remote
        audio = live.remote.audio()
        assert audio
        assert (live.remote.address(audio), audio.port) == ("192.0.2.20", 40000)
        assert [str(codec) for codec in negotiated(live.local, live.remote)] == ["PCMU/8000"]


def test_an_answer_that_comes_again_is_acknowledged_again() -> None:
    """The server never heard the first ACK."""
    with called(accept_calls) as (server, call):
        assert server.say
        server.say(reply(server.seen[0], 200, "OK", "Contact: <sip:pbx@127.0.0.1>", body=described()))
        attend_until(dialog(call), lambda: server.methods.count("ACK") == 2)
        acks = [text for text in server.seen if text.startswith("ACK")]
    assert acks[0] == acks[1]


def test_a_refusal_is_acknowledged_in_its_own_transaction() -> None:
    def busy(request: str, say: Say) -> None:
        if request.startswith("INVITE"):
            say(reply(request, 486, "Busy Here"))

    with called(busy) as (server, call):
        ack = server.wait("ACK")
    assert call.status == 486
    assert call.dialog is None
    assert header(ack, "Via") == header(server.seen[0], "Via")


def test_a_call_that_nobody_answers_is_cancelled() -> None:
    def ring(request: str, say: Say) -> None:
        if request.startswith("INVITE"):
            say(reply(request, 180, "Ringing"))
            ring.invite = request  # type: ignore[attr-defined]
        elif request.startswith("CANCEL"):
            say(reply(request, 200, "OK"))
            say(reply(ring.invite, 487, "Request Terminated"))  # type: ignore[attr-defined]

    with called(ring, patience=0.3) as (server, call):
        server.wait("ACK")
    assert (call.status, call.outcomes[-1].cancelled) == (487, True)
    assert server.methods == ["INVITE", "CANCEL", "ACK"]
    assert header(server.seen[1], "Via") == header(server.seen[0], "Via")


def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    def late(request: str, say: Say) -> None:
        if request.startswith("INVITE"):
            say(reply(request, 180, "Ringing"))
            late.invite = request  # type: ignore[attr-defined]
        elif request.startswith("CANCEL"):
            accept_calls(late.invite, say)  # type: ignore[attr-defined]
        else:
            accept_calls(request, say)

    with called(late, patience=0.2) as (server, call):
        assert server.methods[-2:] == ["ACK", "BYE"]
        assert dialog(call).state == "we hung up"


def test_silence_is_said_in_time_and_without_a_cancel() -> None:
    """RFC 3261 section 9.1: nothing is cancelled before a provisional response."""
    with called(lambda request, say: None, patience=0.1, timers=Timers(0.05, 0.2, 1.0)) as (server, call):
        outcome = call.outcomes[-1]
        server.wait("INVITE", outcome.sent)
    assert (outcome.status, outcome.ending) == (0, "silent")
    assert outcome.seconds == pytest.approx(1.0, abs=0.9)
    assert set(server.methods) == {"INVITE"}
    assert 2 <= outcome.sent <= 5  # after 0, 50, 150, 350 and 750 ms, where the machine is in time


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_a_challenge_is_answered_by_its_algorithm(algorithm: str) -> None:
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm]

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    def guard(request: str, say: Say) -> None:
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', header(request, "Authorization")))
        if not request.startswith("INVITE"):
            return accept_calls(request, say)
        wanted = h(f"{h(f'me:pbx:{PASSWORD}')}:n1:{said.get('nc')}:{said.get('cnonce')}:auth:"
                   f"{h('INVITE:' + said.get('uri', ''))}")  # fmt: skip
        if said.get("response") == wanted:
            return accept_calls(request, say)
        ask = f'WWW-Authenticate: Digest realm="pbx", nonce="n1", qop="auth", algorithm={algorithm}'
        return say(reply(request, 401, "Unauthorized", ask))

    with called(guard, credentials=Credentials("me", PASSWORD)) as (server, call):
        assert dialog(call).state == "alive"
        assert [each.status for each in call.outcomes] == [401, 200]
        server.wait("ACK", 2)
        numbers = [int(header(text, "CSeq").split()[0]) for text in server.seen if text.startswith("INVITE")]
    assert numbers[1] == numbers[0] + 1
    assert PASSWORD not in repr(call)
    with called(guard, credentials=Credentials("me", "wrong")) as (server, call):
        assert [each.status for each in call.outcomes] == [401, 401]


def test_a_session_that_is_too_short_is_asked_for_again() -> None:
    def least(request: str, say: Say) -> None:
        if request.startswith("INVITE") and header(request, "Session-Expires").split(";")[0] == "60":
            say(reply(request, 422, "Session Interval Too Small", "Min-SE: 90"))
        else:
            accept_calls(request, say, f"Session-Expires: {header(request, 'Session-Expires')}")

    with called(least, session=60, refresher="uac") as (server, call):
        timer = dialog(call).timer
        server.wait("ACK", 2)  # of the 422, and of the 200
        assert header(server.seen[-1], "CSeq").split()[1] == "ACK"
    assert (timer.seconds, timer.refresher) == (90, "we")


def test_we_refresh_the_session_at_half_its_time_by_update_or_invite() -> None:
    def old(request: str, say: Say) -> None:
        if request.startswith("UPDATE"):
            say(reply(request, 501, "Not Implemented"))
        else:
            accept_calls(request, say, "Session-Expires: 2;refresher=uac")

    with called(old, session=2) as (server, call):
        live = dialog(call)
        attend_until(live, lambda: len(live.refreshes) == 2)
        assert live.refreshes == [("we", "UPDATE", 501), ("we", "INVITE", 200)]
        server.wait("ACK", 2)


def test_a_peer_that_does_not_refresh_is_hung_up_on() -> None:
    def once(request: str, say: Say) -> None:
        accept_calls(request, say, "Session-Expires: 1;refresher=uas")

    with called(once, session=1) as (server, call):
        assert dialog(call).attend(3) == "session expired"
        server.wait("BYE")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_the_peers_refresh_is_answered_with_our_media(method: str) -> None:
    with called(accept_calls) as (server, call):
        live = dialog(call)
        assert server.say
        server.say(asked(server.seen[0], method, 1, "Session-Expires: 1800;refresher=uac",
                         body=described(40002)))  # fmt: skip
        attend_until(live, lambda: "SIP/2.0" in server.methods)
        answer = server.wait("SIP/2.0")
        assert live.refreshes == [("peer", method, 200)]
        assert live.remote
        assert [each.port for each in live.remote.media] == [40002]
        assert (live.timer.seconds, live.timer.refresher) == (1800, "peer")
    assert "m=audio 41000 RTP/AVP 0" in answer
    assert header(answer, "Session-Expires") == "1800;refresher=uac"


def test_hold_is_mirrored_and_an_answer_is_repeated_until_its_ack() -> None:
    with called(accept_calls) as (server, call):
        assert server.say
        server.say(asked(server.seen[0], "INVITE", 1, body=described(40000, "192.0.2.20", "a=sendonly")))
        attend_until(dialog(call), lambda: server.methods.count("SIP/2.0") >= 3)
        assert "a=recvonly" in server.wait("SIP/2.0")
        assert dialog(call).answering.due < float("inf")
        server.say(asked(server.seen[0], "ACK", 1))
        attend_until(dialog(call), lambda: dialog(call).answering.due == float("inf"))


def test_the_peer_may_hang_up() -> None:
    with called(accept_calls) as (server, call):
        assert server.say
        server.say(asked(server.seen[0], "BYE", 1, 'Reason: Q.850;cause=16;text="normal"'))
        assert dialog(call).attend(2) == "peer hung up"
        server.wait("SIP/2.0")
        assert dialog(call).why.startswith("Q.850;cause=16")
        assert dialog(call).bye() is None


def test_a_request_of_another_dialog_is_told_so_and_an_old_one_too() -> None:
    with called(accept_calls) as (server, call):
        assert server.say
        stranger = asked(server.seen[0], "BYE", 5).replace(";tag=uas7", ";tag=other")
        for text in (stranger, asked(server.seen[0], "INFO", 9), asked(server.seen[0], "OPTIONS", 8)):
            server.say(text)
        attend_until(dialog(call), lambda: server.methods.count("SIP/2.0") == 3)
        assert [text.split()[1] for text in server.seen if text.startswith("SIP")] == ["481", "200", "500"]
        assert dialog(call).state == "alive"


def test_a_call_that_the_server_has_forgotten_is_lost() -> None:
    def forget(request: str, say: Say) -> None:
        if request.startswith("UPDATE"):
            say(reply(request, 481, "Call/Transaction Does Not Exist"))
        else:
            accept_calls(request, say)

    with called(forget) as (_, call):
        dialog(call).update()
        assert (dialog(call).state, dialog(call).why) == ("lost", "UPDATE: 481")


def test_a_description_that_cannot_be_read_is_said_and_the_call_still_ended() -> None:
    def odd(request: str, say: Say) -> None:
        if request.startswith("INVITE"):
            say(reply(request, 200, "OK", "Contact: <sip:pbx@127.0.0.1>", body="nonsense\r\n"))
        else:
            accept_calls(request, say)

    with called(odd) as (server, call):
        assert "SDP has the line 'nonsense'" in dialog(call).garbled
        outcome = dialog(call).bye()
    assert outcome
    assert outcome.status == 200
    assert server.methods == ["INVITE", "ACK", "BYE"]


def test_hold_and_its_end_are_offered_with_the_next_version() -> None:
    with called(accept_calls) as (server, call):
        live = dialog(call)
        assert live.reinvite(direction="sendonly").status == 200
        server.wait("ACK", 2)
        again = [text for text in server.seen if text.startswith("INVITE")][1]
        versions = [re.search(r"o=- \d+ (\d+)", text) for text in (server.seen[0], again)]
    assert "a=sendonly" in again
    assert [each and each[1] for each in versions] == ["1", "2"]


def test_who_waits_for_media_can_take_what_is_there_at_once() -> None:
    """The media's loop can wait for the flow's descriptor and take what is there at once."""
    with called(accept_calls) as (_, call):
        live = dialog(call)
        assert live.attend(0) == "alive"
        assert live.flow.fileno() >= 0
        assert live.flow.receive(time.monotonic()) is None
