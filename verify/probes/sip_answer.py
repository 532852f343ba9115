"""What a dialog answers to its peer's requests (RFC 3261 sections 12.2.2, 14.2 and 15.1.2, RFC 3311)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from verify.probes import sip_session
from verify.probes.sip_grammar import Malformed
from verify.probes.sip_message import Request, Response, build
from verify.probes.sip_offer import answer
from verify.probes.sip_request import ALLOWED, Headers, contact
from verify.probes.sip_sdp import Session, build_sdp, read_sdp

if TYPE_CHECKING:
    from verify.probes.sip_dialog import Dialog

MOST = 100
"""Requests that are remembered, to answer each once and its repetitions alike."""
COPIED = ("via", "from", "to", "call-id", "cseq")  # RFC 3261 section 8.2.6.2


class Answering:
    """The server's side of a dialog that we began."""

    def __init__(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self.due = float("inf")
        """When the answer to a re-INVITE is to be sent again (section 13.3.1.4); infinity when it is not."""
        self._number = -1
        self._answered: dict[tuple[str, str], bytes] = {}
        self._waiting = b""
        self._wait = self._since = 0.0

    def answer(self, request: Request) -> bool:
        """Answer a request; False: it is none of this dialog. Raises OSError where the flow has ended."""
        try:
            key = (request.vias[0].branch, request.method)
            number, _ = request.cseq
            ours = self._is_ours(request)
        except (Malformed, IndexError):
            return False
        if not ours:
            if request.method != "ACK":
                self._send(reply(request, 481, "Call/Transaction Does Not Exist"))
            return False
        if request.method == "ACK":
            self.due = float("inf")
            return True
        if key not in self._answered:
            self._remember(request, key, self._reply(request, number))
        self.dialog.flow.send(self._answered[key])
        return True

    def again(self) -> None:
        """Send the answer to a re-INVITE again where its ACK has not come; after 64 T1 hang up."""
        now, timers = time.monotonic(), self.dialog.timers
        if now < self.due:
            return
        if now - self._since > 64 * timers.t1:
            self.due = float("inf")
            self.dialog.bye()
            return
        self._wait = min(2 * self._wait, timers.t2)
        self.due = now + self._wait
        self.dialog.flow.send(self._waiting)

    def _is_ours(self, request: Request) -> bool:
        ours, theirs = f";tag={request.address('to').tag}", f";tag={request.address('from').tag}"
        held = self.dialog
        return request.header("call-id") == held.call_id and ours in held.ours and theirs in held.theirs

    def _remember(self, request: Request, key: tuple[str, str], response: Response) -> None:
        data = build(response)
        for oldest in list(self._answered)[: max(0, len(self._answered) - MOST + 1)]:
            del self._answered[oldest]
        self._answered[key] = data
        if len(self.dialog.received) < MOST:
            self.dialog.received.append(request)
        if request.method == "INVITE" and response.status < 300:
            self._waiting, self._wait, self._since = data, self.dialog.timers.t1, time.monotonic()
            self.due = self._since + self._wait

    def _reply(self, request: Request, number: int) -> Response:
        if number <= self._number:
            return reply(request, 500, "Out of Order", ("retry-after", "1"))
        self._number = number
        if request.method == "BYE":
            self.dialog.hung_up(request)
        elif request.method in ("INVITE", "UPDATE"):
            return self._modified(request)
        elif request.method not in ("OPTIONS", "INFO", "NOTIFY", "MESSAGE"):
            return reply(request, 405, "Method Not Allowed", ("allow", ALLOWED))
        return reply(request, 200, "OK", ("allow", ALLOWED))

    def _modified(self, request: Request) -> Response:
        """Take the peer's Contact, offer and session timer, and answer with ours."""
        held = self.dialog
        try:
            offered = read_sdp(request.body) if request.body else None
            session = self._media(offered, invited=request.method == "INVITE")
            if request.header("contact"):
                held.target = str(request.address("contact").uri)
        except Malformed as error:
            return reply(request, 488, "Not Acceptable Here", ("warning", f'399 trunkline "{error.reason}"'))
        held.timer = sip_session.agreed(request, we_asked=False)
        if held.timer.seconds:
            held.refreshes.append(("peer", request.method, 200))
        if offered:
            held.remote = offered
        held.local = session or held.local
        body = build_sdp(session) if session else b""
        return reply(request, 200, "OK", ("contact", str(contact(held.flow))), ("allow", ALLOWED),
                     *_timer(held.timer), body=body)  # fmt: skip

    def _media(self, offered: Session | None, *, invited: bool) -> Session | None:
        """Return our description: the answer to an offer, or our own again where an INVITE brought none."""
        held = self.dialog
        if not offered:
            return held.local if invited else None
        if held.on_offer:
            return held.on_offer(offered)
        audio = held.local.audio() if held.local else None
        if not held.local or not audio:
            raise Malformed("body", "we have no audio to answer with")
        return answer(offered, held.local.address(audio), audio.port, audio.codecs)

    def _send(self, response: Response) -> None:
        self.dialog.flow.send(build(response))


def _timer(timer: sip_session.SessionTimer) -> Headers:
    if not timer.seconds:
        return ()
    who = "uac" if timer.refresher == "peer" else "uas"
    return (("require", "timer"), ("session-expires", f"{timer.seconds};refresher={who}"))


def reply(request: Request, status: int, phrase: str, *more: tuple[str, str], body: bytes = b"") -> Response:
    """Return the response to a request (RFC 3261 section 8.2.6)."""
    headers = tuple(pair for pair in request.headers if pair[0] in COPIED)
    kind = (("content-type", "application/sdp"),) if body else ()
    return Response(status, phrase, headers=(*headers, *more, *kind), body=body)
