"""Set up a call (RFC 3261 section 13): INVITE, authorized, cancelled when nobody answers, acknowledged.

`invite` returns a `Call`; its `dialog` is there when somebody answered. Nothing here touches media.

    with opened(Server("192.0.2.1")) as flow:
        call = invite(flow, "sip:echo@192.0.2.1", offer(flow.here[0], 4000))
        if call.dialog:
            call.dialog.attend(5.0)
            call.dialog.bye()
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from verify.probes import sip_session
from verify.probes.sip_dialog import SDP, Dialog
from verify.probes.sip_digest import Authenticator, Credentials
from verify.probes.sip_flow import Flow
from verify.probes.sip_grammar import Malformed
from verify.probes.sip_message import Request, Response
from verify.probes.sip_request import ALLOWED, Headers, again, authorized, compose, contact
from verify.probes.sip_sdp import Session, build_sdp
from verify.probes.sip_transaction import TIMERS, Outcome, Timers, ending, invitation


@dataclass(frozen=True)
class Call:
    """What became of an INVITE: each try, and the dialog where somebody answered."""

    outcomes: tuple[Outcome, ...]
    dialog: Dialog | None = None

    @property
    def final(self) -> Response | None:
        """The last try's final response."""
        return self.outcomes[-1].final

    @property
    def status(self) -> int:
        """The last try's final status, 0 where there was none."""
        return self.outcomes[-1].status


def invite(
    flow: Flow,
    uri: str,
    offered: Session | None = None,
    *,
    caller: str = "",
    called: str = "",
    credentials: Credentials | None = None,
    patience: float = 20.0,
    session: int = 0,
    refresher: str = "",
    headers: Headers = (),
    timers: Timers = TIMERS,
) -> Call:
    """Call somebody (section 13.2). Raises Malformed for a URI that is none, never for what a peer does.

    Not answered within `patience` seconds the call is cancelled; where it was answered all the same, it is
    hung up. `session`: the session timer to ask for in seconds, `refresher` "uac" (we) or "uas" (the peer).
    """
    more = (("contact", str(contact(flow))), ("allow", ALLOWED), *((SDP,) if offered else ()),
            *sip_session.asked(session, refresher), *headers)  # fmt: skip
    body = build_sdp(offered) if offered else b""
    request = compose(flow, "INVITE", uri, caller=caller, called=called, headers=more, body=body)
    authenticator = Authenticator(credentials) if credentials else None

    def send(each: Request) -> Outcome:
        return invitation(flow, each, timers, patience=patience)

    outcomes = authorized(send, request, authenticator)
    final = outcomes[-1].final
    if final and final.status == 422 and session < (wanted := sip_session.least(final)):
        longer = (*sip_session.asked(wanted, refresher), ("min-se", str(wanted)))
        outcomes += authorized(send, again(_bare(outcomes[-1].request), *longer), authenticator)
        final = outcomes[-1].final
    if not final or final.status >= 300:
        return Call(outcomes)
    return _established(flow, outcomes, final, offered, authenticator, timers)


def _bare(request: Request) -> Request:
    """Return a request without what only one sending of it has."""
    kept = ((name, value) for name, value in request.headers if name != "via" and "authorization" not in name)
    return replace(request, headers=tuple(kept))


def _established(
    flow: Flow,
    outcomes: tuple[Outcome, ...],
    final: Response,
    offered: Session | None,
    authenticator: Authenticator | None,
    timers: Timers,
) -> Call:
    request = outcomes[-1].request
    try:
        dialog = Dialog(
            flow,
            call_id=request.header("call-id"),
            ours=request.header("from"),
            theirs=final.header("to"),
            target=str(final.address("contact").uri) if final.header("contact") else request.uri,
            routes=tuple(reversed(final.values("record-route"))),
            number=request.cseq[0],
            local=offered,
            authenticator=authenticator,
            timers=timers,
            timer=sip_session.agreed(final, we_asked=True),
        )
        dialog.acknowledge(final, request)
    except (Malformed, OSError) as error:
        failed = replace(outcomes[-1], ending=ending(error)[0], why=ending(error)[1])
        return Call((*outcomes[:-1], failed))
    dialog.described(final)
    if outcomes[-1].cancelled:
        dialog.bye()
    return Call(outcomes, dialog)
