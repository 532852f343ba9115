"""Ask a SIP server from outside: OPTIONS or another request by UDP, TCP or TLS; returns data, never judges.

Each final response is told by what it means for who asks (`sip_meaning`); silence is said within 4 seconds.
A password is read from SIP_PASSWORD or from stdin, never from the list of arguments.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from verify.probes.arguments import parser, show
from verify.probes.borrow import borrowed
from verify.probes.certificate import Certificate, day
from verify.probes.served import Place, served
from verify.probes.sip_digest import ALGORITHMS, Credentials
from verify.probes.sip_flow import TRANSPORTS, Server
from verify.probes.sip_grammar import bracketed
from verify.probes.sip_look import Question, look
from verify.probes.sip_transaction import Timers

PASSWORD = "SIP_PASSWORD"


def main() -> int:
    """Print what each request brought; exit code 0 whatever it is, 1 when it was impossible to ask."""
    given = _arguments().parse_args()
    try:
        with borrowed(given.borrow) as lent:
            found = _all(given, lent or given.source)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{given.address}: {getattr(error, 'strerror', None) or error}\n")
        return 1
    show(found, list(_lines(found)), as_json=given.json)
    return 0


def _arguments() -> argparse.ArgumentParser:
    made = parser("verify.probes.sip", "Ask a SIP server: what it answers, how fast, and what it gives away.")
    made.set_defaults(timeout=4.0)
    made.add_argument("--transport", action="append", choices=TRANSPORTS, help="(repeatable; default UDP)")
    made.add_argument("--port", type=int, default=0, help="another port than 5060, by TLS 5061")
    made.add_argument("--method", default="OPTIONS", help="such as REGISTER or INVITE (default OPTIONS)")
    made.add_argument("--to", action="append", default=[], help="a user or a URI to ask for (repeatable)")
    made.add_argument("--caller", default="", metavar="URI", help="who asks, in From")
    made.add_argument("--count", type=int, default=1, help="how often (default 1)")
    made.add_argument("--pause", type=float, default=0.0, help="seconds between two of them (default 0)")
    made.add_argument("--t1", type=float, default=0.5, help="seconds until it is sent again (default 0.5)")
    made.add_argument(
        "--t2", type=float, default=4.0, help="the most seconds between two sendings (default 4)"
    )
    made.add_argument(
        "--patience", type=float, default=2.0, help="seconds that an INVITE may ring (default 2)"
    )
    made.add_argument("--user", help=f"answer challenges; the password is in {PASSWORD}, or read from stdin")
    made.add_argument("--algorithm", action="append", choices=ALGORITHMS, help="only this one (repeatable)")
    made.add_argument("--name", default="", help="the name to ask for in TLS (default: HOST)")
    made.add_argument("--ca", metavar="FILE", help="the only trusted roots (default: the system's)")
    made.add_argument("--borrow", metavar="ADDRESS", help="look from this address, added for the while")
    return made


def _all(given: argparse.Namespace, source: str | None) -> dict[str, Any]:
    credentials = None
    if given.user:
        credentials = Credentials(given.user, password(given.user), tuple(given.algorithm or ALGORITHMS))
    timers = Timers(given.t1, given.t2, given.timeout)
    looks: list[dict[str, Any]] = []
    for transport in given.transport or ["UDP"]:
        server = Server(given.address, given.port, transport, given.name, source)
        extra: dict[str, Any] = {"certificate": _certificate(server, given)} if transport == "TLS" else {}
        for wanted in given.to or [""]:
            uri = wanted if ":" in wanted else f"sip:{wanted}@{bracketed(given.address)}" if wanted else ""
            question = Question(given.method, uri, given.caller, credentials, timers, given.patience)
            looks.append({**asdict(look(server, question, given.count, given.pause)), **extra})
    return {"address": given.address, "method": given.method, "looks": looks}


def password(user: str) -> str:
    """Return a user's password: from SIP_PASSWORD, else asked for, else from stdin."""
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    return sys.stdin.readline().rstrip("\r\n")


def _certificate(server: Server, given: argparse.Namespace) -> dict[str, Any]:
    """Return what the server's handshake brings; whether it can be trusted is told and decides nothing."""
    place = Place(server.address, server.target_port, server.name, given.timeout, server.source)
    try:
        return asdict(served(place, given.ca))
    except (OSError, ValueError) as error:
        return {"error": str(getattr(error, "strerror", None) or error)}


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for each in found["looks"]:
        where = f"{found['address']} by {each['transport']} port {each['port']}"
        yield f"{found['method']} {each['uri']} at {where}"
        last = each["answers"][-1]
        status = f"{last['status']} " if last["status"] else ""
        yield f"  {last['meaning']:<11} {status}{last['why']}"
        if len(each["answers"]) > 1:
            yield "  of all      " + ", ".join(f"{count} {word}" for word, count in each["meanings"].items())
        if each["p50"] is not None:
            yield f"  latency     p50 {each['p50'] * 1000:.1f} ms, p95 {each['p95'] * 1000:.1f} ms"
        yield f"  sent        {each['sent']}, of them {each['lost']} again for lack of an answer"
        yield from (f"  {line}" for line in _details(last))
        yield from (f"  {line}" for line in _chain(each.get("certificate", {})))


def _details(last: dict[str, Any]) -> Iterator[str]:
    if last["seen_as"]:
        yield f"seen as     {last['seen_as']}"
    if last["challenges"]:
        yield f"asks for    {', '.join(last['challenges'])}"
    for each in last["addresses"]:
        port = f" port {each['port']}" if each["port"] else ""
        yield f"{each['where']:<11} {each['host']}{port}{' (private)' if each['private'] else ''}"
    for name, value in last["headers"]:
        if name in ("server", "user-agent", "allow", "retry-after", "warning"):
            yield f"{name:<11} {value}"
    yield from (f"objection   {each}" for each in last["objections"])
    if last["unread"]:
        yield f"unread      {last['unread']} messages that belong to nothing"


def _chain(seen: dict[str, Any]) -> Iterator[str]:
    if "error" in seen:
        yield f"TLS         {seen['error']}"
    for place, each in enumerate(seen.get("chain", ())):
        held = Certificate(**each)
        yield f"{'certificate' if place == 0 else 'issued by'} {', '.join(held.names) or held.subject}"
        yield f"  {held.key_kind}, until {day(held.not_after)}"
    if "trust" in seen:
        yield f"trust       {seen['trust'] or 'the chain leads to a trusted root, and the name fits'}"


if __name__ == "__main__":
    raise SystemExit(main())
