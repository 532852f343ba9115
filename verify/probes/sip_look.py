"""What a SIP server answers to a request by UDP, TCP or TLS, and how fast; returns data, never judges."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from verify.probes.sip_addresses import Carried, carried
from verify.probes.sip_digest import Authenticator, Credentials, challenges
from verify.probes.sip_flow import Flow, Server, opened
from verify.probes.sip_grammar import Malformed, bracketed
from verify.probes.sip_invite import invite
from verify.probes.sip_meaning import Meaning, meaning, why
from verify.probes.sip_message import Request, Response, objections
from verify.probes.sip_offer import offer
from verify.probes.sip_request import ask, compose, contact, own
from verify.probes.sip_sdp import described
from verify.probes.sip_transaction import TIMERS, Outcome, Timers, ending

DISCARD = 9
"""The media port of an INVITE that only wants to know whether it would be taken (RFC 863)."""
UNASKED = Request("", "")


@dataclass(frozen=True)
class Question:
    """What to ask. Empty: the server itself (`uri`), or nobody in particular."""

    method: str = "OPTIONS"
    uri: str = ""
    caller: str = ""
    credentials: Credentials | None = None
    timers: Timers = TIMERS
    patience: float = 2.0
    """How long an INVITE may ring, in seconds."""


@dataclass(frozen=True)
class Answer:
    """What one request brought."""

    meaning: Meaning
    why: str
    status: int = 0
    statuses: tuple[int, ...] = ()
    """Every response in its order: challenges and provisional ones too."""
    ending: str = "answered"
    seconds: float = 0.0
    """Until the final response, or until its lack was said."""
    sent: int = 0
    lost: int = 0
    """Of those sent, how often one had to be sent again."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of the final response."""
    addresses: tuple[Carried, ...] = ()
    seen_as: str = ""
    """Where the server says the request came from (received and rport, RFC 3581)."""
    challenges: tuple[str, ...] = ()
    """The algorithms of its challenges, in its order."""
    objections: tuple[str, ...] = ()
    """What is wrong with the final response as a message."""
    unread: int = 0
    """Messages that could not be read or belonged to nothing."""


@dataclass(frozen=True)
class Look:
    """What several requests brought, one after the other."""

    transport: str
    port: int
    uri: str
    answers: tuple[Answer, ...] = ()
    meanings: dict[str, int] = field(default_factory=dict)
    p50: float | None = None
    p95: float | None = None
    """Latency in seconds of those that were answered at their first sending (RFC 6298 section 3)."""
    sent: int = 0
    lost: int = 0


QUESTION = Question()


def sip_answer(flow: Flow, question: Question = QUESTION) -> Answer:
    """Ask once on an open flow; never raises for what a peer does, Malformed for a URI that is none."""
    uri = question.uri or flow.server.uri
    if question.method == "INVITE":
        outcomes = _invited(flow, uri, question)
    else:
        keyed = Authenticator(question.credentials) if question.credentials else None
        caller = _caller(flow, question)
        # A REGISTER without Contact asks what is registered and changes nothing (RFC 3261 section 10.2.3).
        asks = question.method == "REGISTER"
        headers = () if asks else (("contact", str(contact(flow))), ("accept", "application/sdp"))
        called = caller if asks else ""
        request = compose(flow, question.method, uri, caller=caller, called=called, headers=headers)
        outcomes = ask(flow, request, keyed, question.timers)
    return _answer(flow, outcomes)


def _caller(flow: Flow, question: Question) -> str:
    """Return who asks: who has credentials is known at the server by that name."""
    if question.caller or not question.credentials:
        return question.caller or own(flow)
    return f"sip:{quote(question.credentials.user)}@{bracketed(flow.server.address)}"


def _invited(flow: Flow, uri: str, question: Question) -> tuple[Outcome, ...]:
    """Call, and hang up at once where somebody answers: no media is sent."""
    call = invite(
        flow,
        uri,
        offer(flow.here[0], DISCARD, direction="inactive"),
        caller=_caller(flow, question),
        credentials=question.credentials,
        patience=question.patience,
        timers=question.timers,
    )
    if call.dialog:
        call.dialog.bye()
    return call.outcomes


def _answer(flow: Flow, outcomes: tuple[Outcome, ...]) -> Answer:
    last, final = outcomes[-1], outcomes[-1].final
    connected = flow.reliable
    return Answer(
        meaning(last, connected=connected),
        why(last, connected=connected),
        last.status,
        tuple(each.status for outcome in outcomes for each in outcome.responses),
        last.ending,
        last.seconds,
        sum(outcome.sent for outcome in outcomes),
        sum(max(0, outcome.sent - 1) for outcome in outcomes),
        final.headers if final else (),
        carried(final) if final else (),
        _seen_as(final),
        _asked_for(outcomes),
        tuple(_wrong(final)) if final else (),
        last.strays + len(flow.garbled),
    )


def _wrong(final: Response) -> Iterator[str]:
    yield from (str(each) for each in objections(final))
    try:
        described(final)
    except Malformed as error:
        yield str(error)


def _seen_as(final: Response | None) -> str:
    try:
        via = final.vias[0] if final else None
    except (Malformed, IndexError):
        return ""
    if not via or not (via.received or via.rport):
        return ""
    return f"{via.received or via.host} port {via.rport or via.port or 5060}"


def _asked_for(outcomes: tuple[Outcome, ...]) -> tuple[str, ...]:
    found = [
        f"{each.parameters.get('algorithm', 'MD5')} ({each.parameters.get('realm', '')})"
        for outcome in outcomes
        if outcome.final
        for name in ("www-authenticate", "proxy-authenticate")
        for each in challenges(outcome.final, name)
    ]
    return tuple(dict.fromkeys(found))


def look(server: Server, question: Question, count: int = 1, pause: float = 0.0) -> Look:
    """Ask `count` times on one flow, `pause` seconds between; never raises for what a peer does.

    Raises OSError where this machine cannot ask: no such name, no such source address.
    """
    answers: list[Answer] = []
    try:
        with opened(server, question.timers.limit) as flow:
            for number in range(count):
                time.sleep(pause if number else 0.0)
                answers.append(sip_answer(flow, question))
                if flow.reliable and not answers[-1].status:
                    break
    except OSError as error:
        word, sentence = ending(error)
        nothing = Outcome(UNASKED, word, sentence)
        answers.append(Answer(meaning(nothing, connected=False), why(nothing, connected=False), ending=word))
    return _summed(server, question, tuple(answers))


def _summed(server: Server, question: Question, answers: tuple[Answer, ...]) -> Look:
    clean = sorted(each.seconds for each in answers if each.status and not each.lost)
    counted: dict[str, int] = {}
    for each in answers:
        counted[each.meaning] = counted.get(each.meaning, 0) + 1
    return Look(
        server.transport,
        server.target_port,
        question.uri or server.uri,
        answers,
        counted,
        statistics.median(clean) if clean else None,
        clean[math.ceil(len(clean) * 0.95) - 1] if clean else None,
        sum(each.sent for each in answers),
        sum(each.lost for each in answers),
    )
