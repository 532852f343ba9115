"""The torture tests of RFC 4475 and RFC 5118 in messages of our own: what they are, and sent to a server.

A server passes when it still answers OPTIONS after each of them; what it answered is told beside it.
"""

from __future__ import annotations

import secrets
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from verify.probes.arguments import parser, show
from verify.probes.sip_flow import Server
from verify.probes.sip_grammar import Malformed, bracketed
from verify.probes.sip_look import Question, look
from verify.probes.sip_message import Response, read
from verify.probes.sip_torture_case import Case
from verify.probes.sip_torture_invalid import CASES as INVALID
from verify.probes.sip_torture_ipv6 import CASES as IPV6
from verify.probes.sip_torture_layers import CASES as LAYERS
from verify.probes.sip_torture_valid import CASES as VALID

CASES: tuple[Case, ...] = (*VALID, *INVALID, *LAYERS, *IPV6)


@dataclass(frozen=True)
class Survived:
    """What became of a server that got one of the messages."""

    name: str
    rfc: int
    section: str
    about: str
    answers: tuple[int, ...]
    """What it answered to the message within the time, in its order."""
    alive: bool
    """It gave a final response to OPTIONS afterwards."""
    meaning: str


def torture(server: Server, cases: Iterable[Case] = CASES, wait: float = 0.3) -> tuple[Survived, ...]:
    """Send each message as a datagram, hear `wait` seconds, and ask for OPTIONS. Raises OSError."""
    run = secrets.token_hex(4)
    found: list[Survived] = []
    for case in cases:
        answers = _send(server, case, run, wait)
        answer = look(server, Question()).answers[0]
        found.append(
            Survived(
                case.name, case.rfc, case.section, case.about, answers, answer.status > 0, answer.meaning
            )
        )
    return tuple(found)


def _send(server: Server, case: Case, run: str, wait: float) -> tuple[int, ...]:
    family, *_, target = socket.getaddrinfo(server.address, server.target_port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((server.source or "", 0))
        sock.connect(target)
        here, there = sock.getsockname(), sock.getpeername()
        ends = [f"{bracketed(str(name[0]))}:{name[1]}" for name in (here, there)]
        answers: list[int] = []
        end = time.monotonic() + wait
        try:
            sock.send(case.message(ends[0], ends[1], run))
            while (left := end - time.monotonic()) > 0 and len(answers) < 100:
                sock.settimeout(left)
                answers += _status(sock.recv(65535))
        except (TimeoutError, ConnectionRefusedError):
            pass
    return tuple(answers)


def _status(data: bytes) -> list[int]:
    try:
        message = read(data)
    except Malformed:
        return []
    return [message.status] if isinstance(message, Response) else []


def main() -> int:
    """Print what became of the server; exit code 0 however it is, 1 when it was impossible to ask."""
    arguments = parser("verify.probes.sip_torture", "Send a SIP server what RFC 4475 and RFC 5118 are about.")
    arguments.add_argument("--port", type=int, default=0, help="another port than 5060")
    arguments.add_argument("--case", action="append", choices=[case.name for case in CASES], metavar="NAME",
                           help="only this one (repeatable)")  # fmt: skip
    arguments.add_argument("--wait", type=float, default=0.3, help="seconds to hear after each (default 0.3)")
    given = arguments.parse_args()
    server = Server(given.address, given.port, source=given.source)
    cases = [case for case in CASES if not given.case or case.name in given.case]
    try:
        seen = torture(server, cases, given.wait)
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    lines = [
        f"{each.name:<30} {', '.join(map(str, each.answers)) or '-':<12} then {each.meaning}" for each in seen
    ]
    show({"address": given.address, "cases": [asdict(each) for each in seen]}, lines, as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
