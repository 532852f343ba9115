"""Requests outside a dialog (RFC 3261 section 8.1.1), sent until they are answered and authorized."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from verify.probes.sip_digest import ASKED, Authenticator
from verify.probes.sip_flow import Flow
from verify.probes.sip_grammar import Parameters, bracketed
from verify.probes.sip_headers import Address
from verify.probes.sip_message import Request, Response
from verify.probes.sip_transaction import TIMERS, Outcome, Timers, exchange
from verify.probes.sip_uri import Uri, read_uri

AGENT = "Trunkline-probe"
ALLOWED = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY"
MOST_TRIES = 3
"""A request, its answer to a challenge, and once more where the nonce was stale."""
Headers = tuple[tuple[str, str], ...]


def contact(flow: Flow, user: str = "trunkline") -> Address:
    """Return where requests of a dialog reach us: our end of the flow."""
    host, port = flow.here
    transport = flow.server.transport.lower()
    parameters: Parameters = () if transport == "udp" else (("transport", transport),)
    return Address(Uri("sip", host, user, port=port, parameters=parameters))


def own(flow: Flow, user: str = "trunkline") -> str:
    """Return who asks where nothing else is said."""
    return f"sip:{user}@{bracketed(flow.here[0])}"


def compose(
    flow: Flow,
    method: str,
    uri: str,
    *,
    caller: str = "",
    called: str = "",
    headers: Headers = (),
    body: bytes = b"",
) -> Request:
    """Return a request outside a dialog, all but its Via. Raises Malformed for URIs that are none.

    `caller` and `called` are the URIs in From and To (default: ourselves, and the request's own).
    """
    return of(caller or own(flow), method, uri, called=called, headers=headers, body=body)


def of(
    caller: str, method: str, uri: str, *, called: str = "", headers: Headers = (), body: bytes = b""
) -> Request:
    """Return the same where somebody else sends it: `caller` is who."""
    sender = Address(read_uri(caller), "", (("tag", secrets.token_hex(6)),))
    return Request(
        method,
        uri,
        headers=(
            ("max-forwards", "70"),
            ("from", str(sender)),
            ("to", str(Address(replace(read_uri(called or uri), headers="")))),
            ("call-id", secrets.token_hex(12)),
            ("cseq", f"{1 + secrets.randbelow(1 << 16)} {method}"),
            ("user-agent", AGENT),
            *headers,
        ),
        body=body,
    )


def ask(
    flow: Flow, request: Request, authenticator: Authenticator | None = None, timers: Timers = TIMERS
) -> tuple[Outcome, ...]:
    """Send a request that is no INVITE; a challenge is answered where there are credentials.

    Returns what became of each try, the last one last.
    """
    return authorized(lambda each: exchange(flow, each, timers), request, authenticator)


def authorized(
    send: Callable[[Request], Outcome], request: Request, authenticator: Authenticator | None
) -> tuple[Outcome, ...]:
    """Send a request again with the answer to each challenge (RFC 3261 section 22.2); bounded."""
    outcomes = [send(request)]
    while authenticator and (final := outcomes[-1].final) and final.status in ASKED:
        answered = dict(outcomes[-1].request.headers).keys() & {"authorization", "proxy-authorization"}
        if len(outcomes) == MOST_TRIES or (answered and not _once_more(final, answered)):
            break
        header = authenticator.answer(final, request)
        if header is None:
            break
        request = again(request, header)
        outcomes.append(send(request))
    return tuple(outcomes)


def _once_more(challenge: Response, answered: set[str]) -> bool:
    """Say whether an answered challenge is worth another answer: a stale nonce, or another asker."""
    asks, answers = ASKED[challenge.status]
    return "stale=true" in challenge.header(asks).replace('"', "").lower() or answers not in answered


def again(request: Request, *headers: tuple[str, str]) -> Request:
    """Return a request to send once more: the next CSeq, and these headers in place of what they replace."""
    number, method = request.cseq
    replaced = {"cseq", *(name for name, _ in headers)}
    kept = tuple(pair for pair in request.headers if pair[0] not in replaced)
    return replace(request, headers=(*kept, ("cseq", f"{number + 1} {method}"), *headers))
