"""A call's dialog (RFC 3261 sections 12 to 15): changed, kept alive, ended. `sip_invite` sets it up.

Between requests `Dialog.attend` hears what the peer wants: its re-INVITE, UPDATE and BYE are answered there,
and the session timer is kept. Nothing here touches media. One thread at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from verify.probes import sip_session
from verify.probes.sip_answer import Answering
from verify.probes.sip_digest import Authenticator
from verify.probes.sip_flow import Flow
from verify.probes.sip_grammar import Malformed
from verify.probes.sip_message import Message, Request, Response, build
from verify.probes.sip_offer import changed
from verify.probes.sip_request import AGENT, Headers, authorized, contact
from verify.probes.sip_sdp import Session, build_sdp, described
from verify.probes.sip_session import NO_TIMER, SessionTimer
from verify.probes.sip_transaction import (
    TIMERS,
    Outcome,
    Timers,
    acknowledged_again,
    ending,
    exchange,
    invitation,
    new_branch,
)

SDP = ("content-type", "application/sdp")
State = Literal["alive", "we hung up", "peer hung up", "session expired", "lost"]


@dataclass
class Dialog:
    """One call that was answered."""

    flow: Flow
    call_id: str
    ours: str
    """Our From, with its tag."""
    theirs: str
    """The peer's To, with its tag."""
    target: str
    """The URI in the peer's Contact: where requests go."""
    routes: tuple[str, ...]
    number: int
    """The CSeq number that was used last."""
    local: Session | None
    remote: Session | None = None
    authenticator: Authenticator | None = None
    timers: Timers = TIMERS
    timer: SessionTimer = NO_TIMER
    state: State = "alive"
    why: str = ""
    """What ended it: the outcome of a request that failed, or the peer's Reason."""
    received: list[Request] = field(default_factory=list)
    """Requests of the peer within the dialog, in their order, repeated ones once; at most 100."""
    refreshes: list[tuple[str, str, int]] = field(default_factory=list)
    """Who refreshed the session ("we" or "peer"), by which method, with which status."""
    garbled: str = ""
    """Why the peer's description could not be read."""
    on_offer: Callable[[Session], Session] | None = None
    """Makes the answer to an offer of the peer (default: our address, port and codecs again)."""

    def __post_init__(self) -> None:
        self.answering = Answering(self)

    def request(self, method: str, body: bytes = b"", headers: Headers = ()) -> Outcome:
        """Send a request within the dialog until it is answered and authorized (section 12.2).

        Never raises for what a peer does.
        """
        self.number += 1
        made = Request(
            method,
            self.target,
            headers=(
                ("max-forwards", "70"),
                *(("route", each) for each in self.routes),
                ("from", self.ours),
                ("to", self.theirs),
                ("call-id", self.call_id),
                ("cseq", f"{self.number} {method}"),
                ("user-agent", AGENT),
                *((("contact", str(contact(self.flow))),) if method in ("INVITE", "UPDATE") else ()),
                *((SDP,) if body else ()),
                *headers,
            ),
            body=body,
        )
        outcome = authorized(self._send, made, self.authenticator)[-1]
        self.number = max(self.number, outcome.request.cseq[0])
        if outcome.status in (408, 481) or (not outcome.final and outcome.ending != "answered"):
            self._ended("lost", f"{method}: {outcome.status or outcome.why}")  # section 12.2.1.2
        return outcome

    def _send(self, request: Request) -> Outcome:
        if request.method != "INVITE":
            return exchange(self.flow, request, self.timers, self.hear)
        outcome = invitation(self.flow, request, self.timers, self.hear)
        if outcome.final and outcome.status < 300:
            self.acknowledge(outcome.final, outcome.request)
        return outcome

    def acknowledge(self, accepted: Response, request: Request) -> None:
        """Send the ACK of a 2xx (section 13.2.2.4), and again whenever that comes again."""
        headers = tuple(
            pair for pair in request.headers
            if pair[0] in ("max-forwards", "from", "call-id", "route", "authorization", "proxy-authorization")
        )  # fmt: skip
        if not any(name == "route" for name, _ in headers):
            headers += tuple(("route", each) for each in self.routes)
        headers = (("via", str(self.flow.via(new_branch()))), *headers, ("to", accepted.header("to")),
                   ("cseq", f"{request.cseq[0]} ACK"))  # fmt: skip
        ack = build(Request("ACK", self.target, headers=headers))
        branch = request.vias[0].branch
        self.flow.acknowledged[(branch, accepted.address("to").tag)] = ack
        self.flow.send(ack)

    def reinvite(self, session: Session | None = None, *, direction: str = "") -> Outcome:
        """Offer media anew (section 14.1): another description, or the same with another direction.

        Without either it is what a session refresh sends: the same description.
        """
        return self._modify("INVITE", self._next(session, direction))

    def update(self, session: Session | None = None) -> Outcome:
        """Send UPDATE (RFC 3311): with an offer, or without one as a session refresh."""
        return self._modify("UPDATE", session)

    def refresh(self, method: str = "UPDATE") -> Outcome:
        """Refresh the session (RFC 4028 section 7.4), by UPDATE or by INVITE."""
        outcome = self.update() if method == "UPDATE" else self.reinvite()
        self.refreshes.append(("we", method, outcome.status))
        return outcome

    def _next(self, session: Session | None, direction: str) -> Session | None:
        if session or not self.local:
            return session
        return changed(self.local, direction) if direction else self.local

    def _modify(self, method: str, session: Session | None) -> Outcome:
        wanted = self.timer.seconds
        who = "uac" if self.timer.refresher == "we" else "uas"
        outcome = self.request(method, build_sdp(session) if session else b"", sip_session.asked(wanted, who))
        if outcome.final and outcome.status < 300:
            self.agreed(outcome.final, session)
        return outcome

    def agreed(self, accepted: Response, offered: Session | None) -> None:
        """Take over what a 2xx of the peer says: its Contact, media and session timer."""
        self.timer = sip_session.agreed(accepted, we_asked=True)
        if accepted.header("contact"):
            self.target = str(accepted.address("contact").uri)
        if offered:
            self.local = offered
            self.described(accepted)

    def described(self, message: Message) -> None:
        """Take over the description in a message of the peer, or note why it cannot be read."""
        try:
            self.remote = described(message) or self.remote
        except Malformed as error:
            self.garbled = str(error)

    def bye(self) -> Outcome | None:
        """Hang up (section 15.1.1); None where the call has ended already."""
        if self.state != "alive":
            return None
        outcome = self.request("BYE")
        self._ended("we hung up", "")
        return outcome

    def attend(self, seconds: float) -> State:
        """Hear the peer for a while and keep the session alive; return at once when the call has ended.

        0 takes only what has come already.
        """
        until = time.monotonic() + seconds
        while self.state == "alive":
            now = time.monotonic()
            if now >= self.timer.due:
                self._keep()
                continue
            try:
                message = self.flow.receive(max(now, min(until, self.timer.due, self.answering.due)))
                self.answering.again()
                if message:
                    self.hear(message)
                elif time.monotonic() >= until:
                    break
            except (OSError, Malformed) as error:
                self._ended("lost", ending(error)[1])
        return self.state

    def _keep(self) -> None:
        """Do what the session timer asks for (RFC 4028 section 10)."""
        if self.timer.refresher != "we":
            self.bye()
            self.state, self.why = "session expired", f"no refresh within {self.timer.seconds} s"
            return
        if self.refresh().status == 501 or self.refreshes[-1][2] == 405:
            self.refresh("INVITE")
        self.timer = replace(self.timer, began=time.monotonic())

    def hear(self, message: Message) -> bool:
        """Take a message that no transaction of ours waits for; False: it is not this dialog's."""
        if isinstance(message, Response):
            return acknowledged_again(self.flow, message)
        return self.answering.answer(message)

    def _ended(self, state: State, why: str) -> None:
        if self.state == "alive":
            self.state, self.why = state, why

    def hung_up(self, request: Request) -> None:
        """Note the peer's BYE."""
        self._ended("peer hung up", request.header("reason"))
