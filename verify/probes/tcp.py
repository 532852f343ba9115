"""Look at TCP ports by connecting: open, closed (refused) or filtered (no answer, or an ICMP error)."""

from __future__ import annotations

import errno
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from verify.probes.arguments import parser, ports, show
from verify.probes.borrow import borrowed

State = Literal["open", "closed", "filtered"]
AT_ONCE = 400
"""Connections under way at a time: below the usual limit of 1,024 open files."""


@dataclass(frozen=True)
class Port:
    """One port as it was seen; `banner` is what the server said first, if it was asked for."""

    port: int
    state: State
    reason: str
    banner: str = ""


def tcp_ports(
    address: str,
    numbers: Iterable[int],
    *,
    timeout: float = 1.0,
    tries: int = 2,
    source: str | None = None,
    banner: bool = False,
) -> dict[int, Port]:
    """Connect to each port; a silent one is tried again (`tries`) before it is called filtered.

    `timeout` in seconds for one connection. Raises OSError when the address cannot be resolved or used.
    """
    family, *_, target = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
    seen: dict[int, Port] = {}
    left = list(numbers)
    for _ in range(tries):
        seen |= _Round(family, target, timeout, source, banner).look(left)
        left = [number for number in left if seen[number].reason == "no answer"]
        if not left:
            break
    return seen


class _Round:
    """One connection to each of many ports, a bounded number of them under way."""

    def __init__(
        self, family: int, target: tuple[Any, ...], timeout: float, source: str | None, banner: bool
    ) -> None:
        self.family, self.target, self.timeout, self.source = family, target, timeout, source
        self.banner = banner
        self.poll = select.poll()
        self.under_way: dict[int, tuple[socket.socket, int, float]] = {}
        self.seen: dict[int, Port] = {}

    def look(self, numbers: Iterable[int]) -> dict[int, Port]:
        """Return every port's state."""
        waiting = deque(numbers)
        while waiting or self.under_way:
            while waiting and len(self.under_way) < AT_ONCE:
                self._start(waiting.popleft())
            self._finish()
        return self.seen

    def _start(self, number: int) -> None:
        sock = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if self.source:
            sock.bind((self.source, 0))
        code = sock.connect_ex((self.target[0], number, *self.target[2:]))
        if code == errno.EINPROGRESS:
            self.under_way[sock.fileno()] = (sock, number, time.monotonic() + self.timeout)
            self.poll.register(sock, select.POLLOUT | select.POLLERR)
        else:
            self._end(sock, number, code)

    def _finish(self) -> None:
        for descriptor, _ in self.poll.poll(20):
            sock, number, _ = self.under_way.pop(descriptor)
            self.poll.unregister(descriptor)
            self._end(sock, number, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        now = time.monotonic()
        for descriptor in [d for d, (_, _, deadline) in self.under_way.items() if deadline < now]:
            sock, number, _ = self.under_way.pop(descriptor)
            self.poll.unregister(descriptor)
            self._end(sock, number, errno.ETIMEDOUT)

    def _end(self, sock: socket.socket, number: int, code: int) -> None:
        with sock:
            text = _first_words(sock, self.timeout) if code == 0 and self.banner else ""
        self.seen[number] = Port(number, *_meaning(code), banner=text)


def _meaning(code: int) -> tuple[State, str]:
    if code == 0:
        return "open", "connected"
    if code == errno.ECONNREFUSED:
        return "closed", "refused"
    if code == errno.ETIMEDOUT:
        return "filtered", "no answer"
    if code in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.ECONNRESET):
        return "filtered", errno.errorcode[code]
    raise OSError(code, f"this machine cannot connect: {errno.errorcode.get(code, code)}")


def _first_words(sock: socket.socket, timeout: float) -> str:
    sock.setblocking(True)
    sock.settimeout(timeout)
    try:
        return sock.recv(256).decode("ascii", "replace").strip()
    except OSError:
        return ""


def main() -> int:
    """Print the state of the ports; exit code 0 however they are, 1 when it was impossible to look."""
    arguments = parser("verify.probes.tcp", "Connect to TCP ports and say which are open.")
    arguments.add_argument("--ports", type=ports, required=True, help="such as 22,80,8000-8010")
    arguments.add_argument("--banner", action="store_true", help="read what the server says first")
    arguments.add_argument("--borrow", metavar="ADDRESS", help="look from this address, added for the while")
    given = arguments.parse_args()
    try:
        with borrowed(given.borrow) as lent:
            source = lent or given.source
            seen = tcp_ports(
                given.address, given.ports, timeout=given.timeout, source=source, banner=given.banner
            )
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    found = [seen[number] for number in sorted(seen)]
    lines = [f"{p.port}/tcp {p.state} ({p.reason}) {p.banner}".rstrip() for p in found]
    show({"address": given.address, "ports": [asdict(p) for p in found]}, lines, as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
