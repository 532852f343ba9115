"""Begin IKE with a host and see what it takes: the first exchange only, never an authentication (RFC 7296).

Whatever is accepted stays half open at the responder, for 30 s with strongSwan, which falls silent to an
address that has left five (`block_threshold`): so nothing is asked twice that was answered.
"""

from __future__ import annotations

import functools
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

from verify.probes import ikev1
from verify.probes.arguments import parser, show
from verify.probes.ike_message import (
    COOKIE,
    INVALID_KE,
    MOST,
    MOST_COOKIE,
    NAT_DESTINATION,
    NAT_SOURCE,
    NO_PROPOSAL_CHOSEN,
    Malformed,
    Proposal,
    Reply,
    group_name,
    nat_hash,
    notify_name,
    proposal,
    read,
    request,
    words_of,
)

USUAL = "aes256-sha256-modp2048"
WEAK = (
    "3des-sha256-modp2048", "aes256-md5-modp2048", "aes256-sha1-modp2048", "aes256-sha256-modp1024",
    "aes256-sha256-modp768",
)  # fmt: skip
"""One weakness each, so that an answer tells which of them is taken."""
MARKER = bytes(4)
"""Before IKE on a port that carries ESP as well (RFC 3948, section 2.2)."""
NAT_T = 4500
TRIES, ROUNDS, MOST_STRANGE = 3, 4, 64
TIMEOUT = 1.2
"""Seconds for one try: three of them say dead within four seconds."""
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a host said to one first message."""

    asked: str
    """The proposal, or `IKEv1 main` and `IKEv1 aggressive`."""
    port: int
    verdict: str
    """accepted, refused, other (a notification that is neither), silent, closed (ICMP), unreachable."""
    chosen: tuple[str, ...] = ()
    notify: str = ""
    cookie: bool = False
    """It wanted its cookie back first."""
    group: str = ""
    """The group that it wanted instead of the first one offered."""
    nat_here: bool | None = None
    """The responder sees us under another address or port than we have; None: it did not say."""
    nat_there: bool | None = None
    """The responder has another address than the one that was asked, or says so to force encapsulation."""
    tries: int = 0
    strange: int = 0
    """Datagrams that came and were no answer."""
    seconds: float = 0.0


@dataclass
class Line:
    """A socket to one port of a host, and what is left of the time and the patience for it."""

    sock: socket.socket
    port: int
    timeout: float
    deadline: float
    tries: int = 0
    strange: int = 0

    @property
    def here(self) -> tuple[str, int]:
        """The address and port that we send from."""
        address, port, *_ = self.sock.getsockname()
        return str(address), int(port)

    @property
    def there(self) -> tuple[str, int]:
        """The address and port that is asked."""
        address, port, *_ = self.sock.getpeername()
        return str(address), int(port)

    def converse(self, message: bytes, reading: Callable[[bytes], T]) -> T | None:
        """Send until something can be read; None when nothing came. Raises OSError where ICMP says so."""
        prefix = MARKER if self.port == NAT_T else b""
        for _ in range(TRIES):
            self.sock.send(prefix + message)
            self.tries += 1
            until = min(time.monotonic() + self.timeout, self.deadline)
            while (left := until - time.monotonic()) > 0 and self.strange < MOST_STRANGE:
                self.sock.settimeout(left)
                try:
                    data = self.sock.recv(MOST + len(prefix) + 1)
                    if not data.startswith(prefix):
                        raise Malformed("no marker before it")
                    return reading(data[len(prefix) :])
                except Malformed:
                    self.strange += 1
                except TimeoutError:
                    break
        return None


def ike(
    address: str, offer: str = USUAL, *, port: int = 500, timeout: float = TIMEOUT, source: str | None = None
) -> Answer:
    """Offer one proposal. `timeout`: seconds for a try. Raises OSError for a name that leads nowhere, and
    ValueError for what is no proposal.
    """
    offered = proposal(offer)
    return _asked(offer, address, port, timeout, source, functools.partial(_init, offered))


def ike_v1(
    address: str, mode: str, *, port: int = 500, timeout: float = TIMEOUT, source: str | None = None
) -> Answer:
    """Begin as IKEv1 does, in `main` or `aggressive` mode. Raises OSError for a name that leads nowhere."""
    return _asked(
        f"IKEv1 {mode}", address, port, timeout, source, functools.partial(_first, ikev1.MODES[mode])
    )


def weak(
    address: str, *, port: int = 500, timeout: float = TIMEOUT, source: str | None = None
) -> list[Answer]:
    """Offer everything that must be refused: weak proposals one by one, then both modes of IKEv1."""
    how = {"port": port, "timeout": timeout, "source": source}
    answers = [ike(address, each, **how) for each in WEAK]  # type: ignore[arg-type]
    return answers + [ike_v1(address, mode, **how) for mode in ikev1.MODES]  # type: ignore[arg-type]


def _asked(
    what: str, address: str, port: int, timeout: float, source: str | None, ask: Callable[[Line], Answer]
) -> Answer:
    family, *_, target = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    began = time.monotonic()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if source:
            sock.bind((source, 0))
        line = Line(sock, port, timeout, began + TRIES * timeout)
        try:
            sock.connect(target)
            answer = ask(line)
        except ConnectionRefusedError:
            answer = Answer(what, port, "closed")
        except OSError as error:
            answer = Answer(what, port, "unreachable", notify=error.strerror or str(error))
    seconds = round(time.monotonic() - began, 3)
    return replace(answer, asked=what, tries=line.tries, strange=line.strange, seconds=seconds)


def _init(offered: Proposal, line: Line) -> Answer:
    spi, group, cookie = secrets.token_bytes(8), offered.groups[0], b""
    so_far = Answer(offered.text, line.port, "silent")
    for _ in range(ROUNDS):
        message = request(offered, spi, group, cookie, line.here, line.there)
        reply = line.converse(message, lambda data: read(data, spi))
        if reply is None:
            return so_far
        baked, wanted = reply.notified(COOKIE), reply.notified(INVALID_KE)
        if not reply.transforms and baked and 0 < len(baked[0]) <= MOST_COOKIE:
            cookie, so_far = baked[0], replace(so_far, cookie=True)
        elif wanted and len(wanted[0]) == 2:
            group = int.from_bytes(wanted[0])
            so_far = replace(so_far, group=group_name(group))
            if group not in offered.groups:
                return replace(so_far, verdict="refused", notify=notify_name(INVALID_KE))
        else:
            return _judged(so_far, offered, reply, spi, line)
    return replace(so_far, verdict="other", notify="asked for cookies and groups without an end")


def _judged(so_far: Answer, offered: Proposal, reply: Reply, spi: bytes, line: Line) -> Answer:
    here, there = reply.notified(NAT_DESTINATION), reply.notified(NAT_SOURCE)
    seen = replace(
        so_far,
        chosen=words_of(tuple(sorted(reply.transforms))),
        nat_here=nat_hash(spi, reply.responder, *line.here) not in here if here else None,
        nat_there=nat_hash(spi, reply.responder, *line.there) not in there if there else None,
    )
    if reply.transforms:
        honest = set(reply.transforms) <= set(offered.transforms)
        return replace(seen, verdict="accepted") if honest else replace(
            seen, verdict="other", notify="chose what was not offered"
        )  # fmt: skip
    errors = [kind for kind, _ in reply.notifies if kind < 16384]
    verdict = "refused" if NO_PROPOSAL_CHOSEN in errors else "other"
    return replace(seen, verdict=verdict, notify=", ".join(map(notify_name, errors)) or "nothing")


def _first(mode: int, line: Line) -> Answer:
    spi = secrets.token_bytes(8)
    reply = line.converse(ikev1.request(mode, spi), lambda data: ikev1.read(data, spi))
    if reply is None:
        return Answer("", line.port, "silent")
    taken, notified = reply
    return Answer(
        "", line.port, "accepted" if taken else "refused", notify="" if taken else notify_name(notified)
    )


def line_of(answer: Answer) -> str:
    """Return an answer as a person reads it."""
    nat = {None: "", False: ", no NAT here", True: ", NAT here"}[answer.nat_here]
    nat += {None: "", False: ", none there", True: ", NAT there (or encapsulation forced)"}[answer.nat_there]
    said = " ".join(filter(None, (answer.verdict, "-".join(answer.chosen), answer.notify)))
    more = ("; after a cookie" if answer.cookie else "") + (
        f"; wanted {answer.group}" if answer.group else ""
    )
    return f"udp {answer.port} {answer.asked}: {said}{nat}{more}"


def main() -> int:
    """Print what the host says; exit code 0 whatever it is, 1 when it could not be asked."""
    arguments = parser("verify.probes.ike", "Begin IKE with a host, and never finish.")
    arguments.add_argument("--proposal", action="append", help=f"to offer (default {USUAL})")
    arguments.add_argument("--port", type=int, action="append", help="default 500 and 4500")
    arguments.add_argument("--weak", action="store_true", help="also offer what must be refused")
    arguments.set_defaults(timeout=TIMEOUT)
    given = arguments.parse_args()
    ports: Iterable[int] = given.port or (500, NAT_T)
    how = {"timeout": given.timeout, "source": given.source}
    try:
        offers = given.proposal or (USUAL,)
        answers = [ike(given.address, each, port=port, **how) for each in offers for port in ports]
        answers += weak(given.address, port=next(iter(ports)), **how) if given.weak else []
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{given.address}: {getattr(error, 'strerror', None) or error}\n")
        return 1
    result = {"address": given.address, "answers": [asdict(each) for each in answers]}
    show(result, [line_of(each) for each in answers], as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
