"""Look at a TLS server from outside: versions, groups and ciphers it takes, the certificate it serves.

What it takes is asked by own ClientHello records (RFC 8446, RFC 5246) over plain sockets; the certificate
and whether it can be trusted come from a whole handshake. Returns data and never judges.
"""

from __future__ import annotations

import argparse
import ipaddress
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from verify.probes.arguments import parser, show
from verify.probes.certificate import Certificate, day, read_pem
from verify.probes.hello import GROUPS, VERSIONS, Answer, Garbled, client_hello, read_answer
from verify.probes.served import ALPN, Place, served
from verify.probes.suites import OLDER, TLS13, suite

MOST = 1 << 16
"""Bytes that are read of one answer."""
AT_ONCE = 6
EVERY = (*TLS13, *OLDER)


@dataclass(frozen=True)
class Offer:
    """What a server takes; each thing was asked for alone."""

    versions: dict[str, str]
    """Version to "spoken", or to how it was refused."""
    groups: tuple[str, ...]
    """Groups it takes in TLS 1.3."""
    preferred: str
    """The group it chooses when every one is offered."""
    ciphers: dict[str, tuple[str, ...]]
    """Version to the suites it takes, in its own order of preference where it has one."""
    alpn: str


def ask(
    place: Place,
    version: int = VERSIONS["TLSv1.3"],
    ciphers: Iterable[int] = EVERY,
    groups: Iterable[int] = tuple(GROUPS.values()),
    *,
    alpn: tuple[str, ...] = (),
    whole: bool = False,
) -> Answer:
    """Send one ClientHello and read the answer, within `timeout` seconds and 64 KiB whatever the peer does.

    RFC 8446 sections 4.1.2 to 4.1.4. Raises OSError where no connection can be made.
    """
    hello = client_hello(version, tuple(ciphers), tuple(groups), name=place.name, alpn=alpn)
    deadline, data = time.monotonic() + place.timeout, b""
    with place.connect() as sock:
        try:
            sock.sendall(hello)
            while len(data) < MOST and (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                part = sock.recv(16384)
                data += part
                answer = read_answer(data, whole=whole)
                if answer is not None:
                    return answer
                if not part:
                    return Answer("closed", why="the connection was closed without an answer")
        except TimeoutError:
            return Answer("silent", why=f"no answer within {place.timeout:.0f} s")
        except Garbled as error:
            return Answer("garbled", why=str(error))
        except OSError as error:
            return Answer("closed", why=f"the connection was cut: {error.strerror or error}")
    return Answer("garbled", why=f"no end after {len(data)} bytes and {place.timeout:.0f} s")


def offer(place: Place) -> Offer:
    """Find out which versions, groups and ciphers a server takes. Raises OSError."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        versions = pool.map(lambda v: ask(place, v), VERSIONS.values())
        groups = pool.map(lambda g: ask(place, groups=(g,)), GROUPS.values())
        best, chosen = pool.submit(ask, place), pool.submit(ask, place, VERSIONS["TLSv1.2"], alpn=ALPN)
        spoken = dict(zip(VERSIONS, versions, strict=True))
        taken = dict(zip(GROUPS, groups, strict=True))
        words = {name: _spoken(VERSIONS[name], answer) for name, answer in spoken.items()}
        live = [name for name, word in words.items() if word == "spoken"]
        ciphers = dict(zip(live, pool.map(lambda v: _ciphers(place, VERSIONS[v]), live), strict=True))
    numbers = {number: name for name, number in GROUPS.items()}
    return Offer(
        versions=words,
        groups=tuple(name for name, answer in taken.items() if answer.accepted and answer.version == 0x0304),
        preferred=numbers.get(best.result().group or 0, ""),
        ciphers=ciphers,
        alpn=chosen.result().alpn,
    )


def _spoken(wanted: int, answer: Answer) -> str:
    """Say "spoken", or how a version was refused."""
    if not answer.accepted:
        return str(answer)
    if answer.version != wanted:
        return f"answered with version 0x{answer.version:04X}"
    return "spoken"


def _ciphers(place: Place, version: int) -> tuple[str, ...]:
    """Offer all suites, then all but the chosen one, until nothing is chosen any more."""
    left = list(TLS13 if version >= 0x0304 else OLDER)
    taken: list[str] = []
    while left:
        answer = ask(place, version, left)
        if not answer.accepted or answer.version != version or answer.cipher not in left:
            break
        taken.append(suite(answer.cipher))
        left.remove(answer.cipher)
    return tuple(taken)


def look(place: Place, ca: str | None, *, thorough: bool = True) -> dict[str, Any]:
    """Return everything about one name as plain data; what failed has the key `error`."""
    found: dict[str, Any] = {"name": place.name}
    if thorough:
        found["offer"] = _or_error(lambda: asdict(offer(place)))
    found["served"] = _or_error(lambda: asdict(served(place, ca)))
    return found


def _or_error(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return look()
    except (OSError, ValueError) as error:
        return {"error": str(getattr(error, "strerror", None) or error)}


def main() -> int:
    """Print what was seen of each name; exit code 0 however it is, 1 when nothing could be asked."""
    arguments = parser("verify.probes.tls", "Look at a TLS server: versions, groups, ciphers, certificate.")
    arguments.set_defaults(timeout=5.0)
    arguments.add_argument("--port", type=int, default=443)
    arguments.add_argument("--name", action="append", default=[], help="ask for this name (repeatable)")
    arguments.add_argument("--stray", action="append", default=[], metavar="NAME",
                           help="only hear what is said to this name; '' asks without one")  # fmt: skip
    arguments.add_argument("--ca", metavar="FILE", help="the only trusted roots (default: the system's)")
    arguments.add_argument("--key-of", metavar="FILE", help="say whether the socket has this file's key")
    arguments.add_argument("--quick", action="store_true", help="the certificate only")
    given = arguments.parse_args()
    try:
        found = _all(given)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{given.address} port {given.port}: {getattr(error, 'strerror', None) or error}\n")
        return 1
    show(found, list(_lines(found)), as_json=given.json)
    return 0


def _all(given: argparse.Namespace) -> dict[str, Any]:
    names = given.name or [_own_name(given.address)]
    where = (given.timeout, given.source)
    Place(given.address, given.port, "", *where).connect().close()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        places = [Place(given.address, given.port, name, *where) for name in names]
        looks = list(pool.map(lambda place: look(place, given.ca, thorough=not given.quick), places))
        strays = [Place(given.address, given.port, name, *where) for name in given.stray]
        heard = [str(answer) for answer in pool.map(ask, strays)]
    found = {"address": given.address, "port": given.port, "names": looks,
             "stray": dict(zip(given.stray, heard, strict=True))}  # fmt: skip
    if given.key_of:
        with open(given.key_of, "rb") as file:
            keys = {each.key for each in read_pem(file.read())[:1]}
        for each in looks:
            each["same_key"] = {c["key"] for c in each["served"].get("chain", ())[:1]} == keys
    return found


def _own_name(address: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return address
    return ""


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for each in found["names"]:
        yield f"{each['name'] or 'no name'} at {found['address']} port {found['port']}"
        yield from (f"  {line}" for part in ("offer", "served") for line in _part(each.get(part, {})))
        if "same_key" in each:
            yield f"  key         {'as in the file' if each['same_key'] else 'another than in the file'}"
    for name, heard in found["stray"].items():
        yield f"to {name or 'no name'}: {heard}"


def _part(seen: dict[str, Any]) -> Iterator[str]:
    if "error" in seen:
        yield f"failed      {seen['error']}"
        return
    for version, word in seen.get("versions", {}).items():
        yield f"{version:<11} {', '.join(seen['ciphers'].get(version, ())) or word}"
    if "groups" in seen:
        yield f"groups      {', '.join(seen['groups'])} (preferred: {seen['preferred']})"
    for place, each in enumerate(seen.get("chain", ())):
        left = Certificate(**each).share_left(time.time())
        yield f"{'certificate' if place == 0 else 'issued by'} {', '.join(each['names']) or each['subject']}"
        yield f"  {each['key_kind']}, until {day(each['not_after'])} ({left:.0%} of its life left)"
    if "trust" in seen:
        yield f"trust       {seen['trust'] or 'the chain leads to a trusted root, and the name fits'}"


if __name__ == "__main__":
    raise SystemExit(main())
