"""Client transactions of SIP (RFC 3261 section 17.1, with the corrections of RFC 6026)."""

from __future__ import annotations

import errno
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from verify.probes.sip_flow import Flow, Unreached
from verify.probes.sip_grammar import Malformed
from verify.probes.sip_headers import COOKIE
from verify.probes.sip_message import Message, Request, Response, build

MOST_STRAYS = 1000
"""Messages of other transactions, after which a peer is not listened to any more."""
MOST_RESPONSES = 32
"""Responses that are kept of one transaction."""
Ending = Literal["answered", "silent", "refused", "unreachable", "closed", "garbled", "insecure"]
WORDS: dict[int, Ending] = {
    errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable",
    errno.EACCES: "unreachable", errno.ENOPROTOOPT: "unreachable", errno.ETIMEDOUT: "silent",
    errno.ECONNRESET: "closed", errno.ECONNABORTED: "closed", errno.EPIPE: "closed",
}  # fmt: skip


@dataclass(frozen=True)
class Timers:
    """How long a transaction takes, in seconds (RFC 3261 section 17.1.1.1)."""

    t1: float = 0.5
    t2: float = 4.0
    limit: float = 4.0
    """Timers B and F: when silence is the answer. The RFC's 64 times T1 would be 32 s."""


TIMERS = Timers()


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    request: Request
    ending: Ending
    why: str = ""
    """What ended it where nothing answered."""
    responses: tuple[Response, ...] = ()
    """Provisional ones and the final one."""
    sent: int = 0
    """How often the request was sent: more than once is loss, or a slow server."""
    seconds: float = 0.0
    """From the first time it was sent to its end."""
    strays: int = 0
    """Messages that belonged to nothing."""
    cancelled: bool = False
    """CANCEL was sent; a 2xx can have crossed it."""

    @property
    def final(self) -> Response | None:
        """The final response, None where there was none."""
        return self.responses[-1] if self.responses and self.responses[-1].final else None

    @property
    def status(self) -> int:
        """The final status, 0 where there was none."""
        return self.final.status if self.final else 0


Heard = Callable[[Message], bool]
"""Takes a message of another transaction; False: it belongs to nothing."""


def exchange(flow: Flow, request: Request, timers: Timers = TIMERS, other: Heard | None = None) -> Outcome:
    """Send a request that is no INVITE until it is answered (RFC 3261 section 17.1.2); never raises."""
    return _NonInvite(flow, request, timers, other).run()


def invitation(
    flow: Flow,
    request: Request,
    timers: Timers = TIMERS,
    other: Heard | None = None,
    patience: float = 20.0,
) -> Outcome:
    """Send an INVITE until it is answered (RFC 3261 section 17.1.1); never raises.

    Without a final response after `patience` seconds it is cancelled (section 9.1). A refusal is acknowledged
    here, a 2xx is left to the caller.
    """
    return _Invite(flow, request, timers, other, patience=patience).run()


def new_branch() -> str:
    """Return the name of a new transaction."""
    return f"{COOKIE}{secrets.token_hex(10)}"


def ending(error: Exception) -> tuple[Ending, str]:
    """Say in a word and in a sentence how a flow ended. Raises again what no peer did."""
    if isinstance(error, Malformed):
        return "garbled", str(error)
    if isinstance(error, ssl.SSLError):
        return "insecure", f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "silent", "no answer to the connection"
    if isinstance(error, OSError) and error.errno in WORDS:
        said = error.icmp if isinstance(error, Unreached) else errno.errorcode[error.errno]
        return WORDS[error.errno], said
    raise error


def is_answer(response: Response, branch: str, method: str) -> bool:
    """Say whether a response belongs to a transaction (RFC 3261 sections 17.1.3 and 8.1.3.3)."""
    try:
        vias = response.vias
        return len(vias) == 1 and vias[0].branch == branch and response.cseq[1] == method
    except Malformed:
        return False


def acknowledged_again(flow: Flow, message: Message) -> bool:
    """Acknowledge a response to an earlier INVITE that comes again; False where it is none."""
    try:
        key = (message.vias[0].branch, message.address("to").tag)
    except (Malformed, IndexError):
        return False
    if not isinstance(message, Response) or key not in flow.acknowledged:
        return False
    flow.send(flow.acknowledged[key])
    return True


@dataclass
class _Transaction:
    flow: Flow
    request: Request
    timers: Timers
    other: Heard | None
    responses: list[Response] = field(default_factory=list)
    sent: int = 0
    strays: int = 0
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.branch = new_branch()
        via = ("via", str(self.flow.via(self.branch)))
        self.request = replace(self.request, headers=(via, *self.request.headers))
        self.data = build(self.request)

    def run(self) -> Outcome:
        self.began = time.monotonic()
        try:
            ended, why = self.converse()
        except (OSError, Malformed) as error:
            ended, why = ending(error)
        seconds = round(time.monotonic() - self.began, 4)
        heard = tuple(self.responses)
        return Outcome(self.request, ended, why, heard, self.sent, seconds, self.strays, self.cancelled)

    def converse(self) -> tuple[Ending, str]:
        raise NotImplementedError

    def send(self) -> None:
        self.flow.send(self.data)
        self.sent += 1

    def hear(self, until: float) -> Response | None:
        """Return the next response to this request; None at `until`, or for any other message."""
        message = self.flow.receive(until)
        if message is None:
            return None
        if isinstance(message, Response) and is_answer(message, self.branch, self.request.method):
            del self.responses[MOST_RESPONSES - 1 :]
            self.responses.append(message)
            return message
        if not (self.foreign(message) or acknowledged_again(self.flow, message)):
            self.strays += 1
        if self.strays > MOST_STRAYS:
            raise Malformed("too large", f"more than {MOST_STRAYS} messages that belong to nothing")
        return None

    def foreign(self, message: Message) -> bool:
        """Take a message that is no response to this request; False: it belongs to nothing."""
        return bool(self.other and self.other(message))


class _NonInvite(_Transaction):
    def converse(self) -> tuple[Ending, str]:
        """Run timers E and F (RFC 3261 section 17.1.2.2)."""
        end, wait, due = self.began + self.timers.limit, self.timers.t1, self.began
        while (now := time.monotonic()) < end:
            if now >= due:
                self.send()
                due = end if self.flow.reliable else now + wait
                wait = self.timers.t2 if self.responses else min(2 * wait, self.timers.t2)
            response = self.hear(min(due, end))
            if response and response.final:
                return "answered", ""
        return "silent", f"no final response within {self.timers.limit:g} s"


@dataclass
class _Invite(_Transaction):
    patience: float = 20.0
    heard_cancel: bool = False

    def converse(self) -> tuple[Ending, str]:
        """Run timers A and B, then wait for the final response as long as one has patience."""
        end, wait, due = self.began + self.timers.limit, self.timers.t1, self.began
        while not self.responses and (now := time.monotonic()) < end:
            if now >= due:
                self.send()
                due = end if self.flow.reliable else now + wait
                wait *= 2
            self.hear(min(due, end))
        if not self.responses:
            return "silent", f"no response within {self.timers.limit:g} s"
        return self._ring()

    def _ring(self) -> tuple[Ending, str]:
        due = max(self.began + self.patience, time.monotonic())
        end, wait = due + self.timers.limit, self.timers.t1
        while not self.responses[-1].final:
            if (now := time.monotonic()) >= end:
                return "silent", f"no final response within {self.timers.limit:g} s of CANCEL"
            if now >= due:
                self._cancel()
                due = end if self.flow.reliable else now + wait
                wait = min(2 * wait, self.timers.t2)
            self.hear(min(due, end))
        if self.responses[-1].status >= 300:
            self._acknowledge(self.responses[-1])
        return "answered", ""

    def _cancel(self) -> None:
        """Send CANCEL (section 9.1) unless it was answered."""
        if not self.heard_cancel:
            self.cancelled = True
            self.flow.send(build(_of_same_transaction(self.request, "CANCEL", self.request.header("to"))))

    def foreign(self, message: Message) -> bool:
        """Hear also that CANCEL arrived."""
        if isinstance(message, Response) and is_answer(message, self.branch, "CANCEL"):
            self.heard_cancel = True
            return True
        return super().foreign(message)

    def _acknowledge(self, refusal: Response) -> None:
        """Acknowledge a refusal within the transaction (section 17.1.1.3)."""
        ack = build(_of_same_transaction(self.request, "ACK", refusal.header("to")))
        self.flow.acknowledged[(self.branch, refusal.address("to").tag)] = ack
        self.flow.send(ack)


def _of_same_transaction(request: Request, method: str, to: str) -> Request:
    kept = ("via", "max-forwards", "from", "call-id", "route", "authorization", "proxy-authorization")
    headers = tuple(pair for pair in request.headers if pair[0] in kept)
    return Request(
        method, request.uri, headers=(*headers, ("to", to), ("cseq", f"{request.cseq[0]} {method}"))
    )
