"""A call that is kept for longer than its session: who refreshes it, and what becomes of it."""

from __future__ import annotations

from tests.sip_server import Say, accept_calls, reply, uas
from verify.probes.sip_flow import Server
from verify.probes.sip_refresh import Kept, keep


def kept(*more: str, seconds: float = 0.3, status: int = 200) -> Kept:
    """Keep a call to a server of the test that answers so."""

    def script(request: str, say: Say) -> None:
        if status != 200 and request.startswith("INVITE"):
            say(reply(request, status, "Not Found"))
        else:
            accept_calls(request, say, *more)

    with uas(script) as server:
        return keep(Server("127.0.0.1", server.port), "sip:echo@127.0.0.1", None, seconds, "uas")


def test_both_of_our_refreshes_are_told_with_their_answers() -> None:
    seen = kept("Session-Expires: 90;refresher=uas")
    assert (seen.status, seen.interval, seen.refresher, seen.state) == (200, 90, "peer", "we hung up")
    assert seen.refreshes == (("we", "UPDATE", 200), ("we", "INVITE", 200))


def test_a_peer_without_session_timers_agrees_on_none() -> None:
    assert (kept().interval, kept().refresher) == (0, "nobody")


def test_a_session_that_nobody_refreshes_ends_the_call() -> None:
    seen = kept("Session-Expires: 1;refresher=uas", seconds=5)
    assert (seen.state, seen.refreshes) == ("session expired", ())
    assert seen.seconds < 2


def test_a_call_that_is_refused_is_told_so() -> None:
    seen = kept(status=404)
    assert (seen.status, seen.state, seen.why) == (404, "never answered", "Not Found")
