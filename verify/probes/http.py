"""Look at a web server: what each path answers, with which headers, where it leads, whom it lets in.

Returns data and never judges. Many requests at once are read from stdin (`--batch`): what is secret in them
then stands in no list of processes.
"""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from verify.probes.arguments import parser, show
from verify.probes.borrow import borrowed
from verify.probes.exchange import Reply, Request, exchange

AT_ONCE = 6
HOPS = 10
SHOWN = (
    "strict-transport-security", "content-security-policy", "x-content-type-options", "x-frame-options",
    "referrer-policy", "permissions-policy", "cache-control", "content-encoding", "server",
)  # fmt: skip
"""Headers that a person wants to see of each path."""


def ask_all(requests: Iterable[Request], address: str | None = None, **how: Any) -> list[Reply]:
    """Send requests, some at once, each on a connection of its own; replies in the order of the requests."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda request: exchange(request, address, **how), requests))


def redirects(request: Request, address: str | None = None, **how: Any) -> tuple[Reply, ...]:
    """Follow redirects (RFC 9110 section 15.4), at most ten; the last reply is where they end.

    `address` is used for the first name only, and for the same name again; a password goes nowhere else.
    """
    first, chain = urlsplit(request.url).hostname, [exchange(request, address, **how)]
    while 300 <= chain[-1].status < 400 and chain[-1].header("location") and len(chain) <= HOPS:
        request = replace(request, url=urljoin(request.url, chain[-1].header("location")))
        same = urlsplit(request.url).hostname == first
        if urlsplit(request.url).scheme not in ("http", "https"):
            break
        if not same or urlsplit(request.url).scheme == "http":
            request = replace(request, user="", password="")
        chain.append(exchange(request, address if same else None, **{**how, "port": None}))
    return tuple(chain)


def access(request: Request, address: str | None = None, **how: Any) -> dict[str, Reply]:
    """Ask without a password, with a wrong one, and with the right one where the request has one."""
    asked = {"none": replace(request, user="", password="")}
    if request.user:
        asked |= {"wrong": replace(request, password=secrets.token_hex(8)), "right": request}
    return dict(zip(asked, ask_all(asked.values(), address, **how), strict=True))


def main() -> int:
    """Print what each path answers; exit code 0 whatever it is, 1 when nothing could be asked."""
    given = _arguments().parse_args()
    try:
        with borrowed(given.borrow) as lent:
            how = {"ca": given.ca, "trusting": given.trusting, "timeout": given.timeout,
                   "source": lent or given.source, "port": given.port}  # fmt: skip
            return _batch(given.address, how) if given.batch else _look(given, how)
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"{given.address}: {getattr(error, 'strerror', None) or error}\n")
        return 1


def _arguments() -> argparse.ArgumentParser:
    arguments = parser(
        "verify.probes.http", "Ask a web server for paths: status, headers, redirects, access."
    )
    arguments.set_defaults(timeout=10.0)
    arguments.add_argument("--port", type=int, help="another port than 443 or 80")
    arguments.add_argument("--name", help="the site's name (default: HOST)")
    arguments.add_argument("--path", action="append", default=[], help="a path to ask for (repeatable)")
    arguments.add_argument("--plain", action="store_true", help="by HTTP without TLS")
    arguments.add_argument("--follow", action="store_true", help="follow redirects and show each hop")
    arguments.add_argument("--user", help="also try this user; the password is asked for, or read from stdin")
    arguments.add_argument("--websocket", action="store_true", help="ask to switch to WebSocket")
    arguments.add_argument("--ca", metavar="FILE", help="the only trusted roots (default: the system's)")
    arguments.add_argument("--trusting", action="store_true", help="take any certificate")
    arguments.add_argument("--batch", action="store_true", help="read requests from stdin, as a JSON list")
    arguments.add_argument("--borrow", metavar="ADDRESS", help="look from this address, added for the while")
    return arguments


def _batch(address: str, how: dict[str, Any]) -> int:
    requests = [Request(**each) for each in json.load(sys.stdin)]
    replies = ask_all(requests, address, **how)
    show({"address": address, "replies": [asdict(reply) for reply in replies]}, [], as_json=True)
    return 0


def _look(given: argparse.Namespace, how: dict[str, Any]) -> int:
    base = f"{'http' if given.plain else 'https'}://{given.name or given.address}"
    user, password = given.user or "", _password(given.user) if given.user else ""
    requests = [Request(urljoin(base, path), path, user=user, password=password, websocket=given.websocket)
                for path in given.path or ["/"]]  # fmt: skip
    replies: list[Reply] = []
    for request in requests:
        if given.user:
            seen = access(request, given.address, **how)
            replies += [replace(reply, label=f"{request.label} ({who})") for who, reply in seen.items()]
        elif given.follow:
            replies += redirects(request, given.address, **how)
        else:
            replies.append(exchange(request, given.address, **how))
    found = {"address": given.address, "replies": [asdict(reply) for reply in replies]}
    show(found, list(_lines(replies)), as_json=given.json)
    return 1 if all(reply.error.startswith("no connection") for reply in replies) else 0


def _password(user: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    return sys.stdin.readline().rstrip("\r\n")


def _lines(replies: Sequence[Reply]) -> Iterator[str]:
    for reply in replies:
        if reply.error:
            yield f"{reply.url}: {reply.error}"
            continue
        asked = f" {reply.label.partition(' ')[2]}".rstrip()
        switched = ", switched to WebSocket" if reply.upgraded else ""
        leads = f" to {reply.header('location')}" if reply.header("location") else ""
        yield (
            f"{reply.url}{asked}: {reply.status}{leads}{switched}, {reply.bytes} bytes"
            f" after {reply.seconds * 1000:.0f} ms"
        )
        yield from (f"  {name}: {value}" for name, value in reply.headers if name in SHOWN)


if __name__ == "__main__":
    raise SystemExit(main())
