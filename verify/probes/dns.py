"""Ask a name server: UDP first, TCP where the answer was cut short (RFC 1035 section 4.2, RFC 7766)."""

from __future__ import annotations

import secrets
import socket
import struct
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from verify.probes.arguments import parser, show
from verify.probes.dns_message import TYPES, Malformed, Message, Record, question, read

TRIES = 2
ADDRESSES = ("A", "AAAA")
RESOLV_CONF = Path("/etc/resolv.conf")


@dataclass(frozen=True)
class Answer:
    """What a name server said to one question; `error` where it said nothing that can be read."""

    name: str
    type: str
    server: str
    code: str = ""
    records: tuple[Record, ...] = ()
    by_tcp: bool = False
    seconds: float = 0.0
    error: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the records of the asked type: behind a CNAME those of the name it leads to."""
        return tuple(record.value for record in self.records if record.type == self.type)


def servers() -> tuple[str, ...]:
    """Return the name servers of this place (resolv.conf(5))."""
    lines = (line.split() for line in RESOLV_CONF.read_text(encoding="utf-8").splitlines())
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


def lookup(
    name: str,
    kind: str = "A",
    server: str | None = None,
    *,
    port: int = 53,
    timeout: float = 2.0,
    source: str | None = None,
) -> Answer:
    """Ask for one name and type; without `server` each of this place's is asked until one answers.

    `timeout`: seconds for one try. Raises ValueError for what is no name.
    """
    asked = (server,) if server else servers()
    answer = Answer(name, kind, "", error="this place has no name server (/etc/resolv.conf)")
    for each in asked:
        answer = _ask(name, kind, each, port, timeout, source)
        if not answer.error:
            break
    return answer


def lookup_all(names: Iterable[str], kinds: Iterable[str] = ADDRESSES, **how: object) -> tuple[Answer, ...]:
    """Ask for several names and types at once."""
    wanted = [(name, kind) for name in names for kind in kinds]
    with ThreadPoolExecutor(8) as pool:
        return tuple(pool.map(lambda pair: lookup(*pair, **how), wanted))  # type: ignore[arg-type]


def _ask(name: str, kind: str, server: str, port: int, timeout: float, source: str | None) -> Answer:
    began, by_tcp = time.monotonic(), False
    number = secrets.randbelow(1 << 16)
    query = question(name, kind, number)
    try:
        message = _udp(query, name, kind, server, port, timeout, source)
        if message.truncated:
            by_tcp = True
            message = read(_tcp(query, server, port, timeout, source), name, kind, number)
    except (OSError, Malformed) as error:
        why = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or error
        return Answer(name, kind, server, seconds=_since(began), by_tcp=by_tcp, error=str(why))
    return Answer(name, kind, server, message.code, message.answers, by_tcp, _since(began))


def _udp(
    query: bytes, name: str, kind: str, server: str, port: int, timeout: float, source: str | None
) -> Message:
    """Ask by UDP. What does not answer this question is left aside: anybody can send a datagram."""
    family, *_, target = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
    (number,) = struct.unpack_from("!H", query)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if source:
            sock.bind((source, 0))
        sock.connect(target)
        for _ in range(TRIES):
            sock.send(query)
            deadline = time.monotonic() + timeout
            while (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                try:
                    return read(sock.recv(65535), name, kind, number)
                except Malformed:
                    continue
                except TimeoutError:
                    break
    raise TimeoutError


def _tcp(query: bytes, server: str, port: int, timeout: float, source: str | None) -> bytes:
    """Ask by TCP, where a length stands before each message (RFC 1035 section 4.2.2)."""
    deadline = time.monotonic() + timeout
    with socket.create_connection((server, port), timeout, (source, 0) if source else None) as sock:
        sock.sendall(struct.pack("!H", len(query)) + query)
        (size,) = struct.unpack("!H", _exactly(sock, 2, deadline))
        return _exactly(sock, size, deadline)


def _exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        part = sock.recv(size - len(data))
        if not part:
            raise Malformed("the connection ended within a message")
        data += part
    return data


def _since(began: float) -> float:
    return round(time.monotonic() - began, 4)


def main() -> int:
    """Print what the name server says; exit code 0 whatever it is, 1 when none answered."""
    arguments = parser("verify.probes.dns", "Ask a name server for a name.")
    arguments.add_argument("--type", action="append", choices=sorted(TYPES), help="A and AAAA by default")
    arguments.add_argument("--server", metavar="ADDRESS", help="the name server (default: this place's)")
    arguments.add_argument("--port", type=int, default=53)
    arguments.add_argument("--also", action="append", default=[], metavar="NAME", help="another name")
    given = arguments.parse_args()
    how = {"server": given.server, "port": given.port, "timeout": given.timeout, "source": given.source}
    try:
        seen = lookup_all((given.address, *given.also), given.type or ADDRESSES, **how)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{given.address}: {getattr(error, 'strerror', None) or error}\n")
        return 1
    show({"answers": [asdict(each) for each in seen]}, [_line(each) for each in seen], as_json=given.json)
    return 1 if all(each.error for each in seen) else 0


def _line(answer: Answer) -> str:
    if answer.error:
        return f"{answer.name} {answer.type}: {answer.error} ({answer.server or 'no server'})"
    records = "; ".join(f"{r.name} {r.ttl} {r.type} {r.value}" for r in answer.records)
    way = "TCP" if answer.by_tcp else "UDP"
    return f"{answer.name} {answer.type}: {records or answer.code} ({answer.server}, {way})"


if __name__ == "__main__":
    raise SystemExit(main())
