"""Look at all 65,535 TCP ports: raw SYNs where this process may send them (root), else by connecting.

A control on a port known to be open goes along: when it stays silent the probe cannot see, and says so.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from verify.probes import segment
from verify.probes.arguments import parser, ports, ranges, show
from verify.probes.tcp import tcp_ports

ALL = range(1, 65536)
BATCH = 256
"""SYNs between two looks for answers."""
CONTROL_EVERY = 4096
"""Ports between two SYNs to the control port."""
SO_RCVBUFFORCE = 33  # Linux asm-generic/socket.h; not in Python's socket module


@dataclass(frozen=True)
class Sweep:
    """What a sweep saw; a port that is neither open nor closed was silent (filtered)."""

    address: str
    open: tuple[int, ...]
    closed: str
    """As ranges, such as `1-21,23-65535`."""
    filtered: int
    control: str
    """"seen", "silent" (the probe could not see) or "none" (no control was given)."""
    method: str
    seconds: float


def sweep(
    address: str,
    numbers: Sequence[int] = ALL,
    *,
    control: int | None = None,
    rate: int = 60_000,
    timeout: float = 1.0,
    source: str | None = None,
) -> Sweep:
    """Look at many ports; `rate` in packets a second, `timeout` in seconds after the last packet.

    Silent ports are asked twice. Raises OSError when the address cannot be used.
    """
    began = time.monotonic()
    asked = tuple(dict.fromkeys((*numbers, *((control,) if control else ()))))
    try:
        with contextlib.closing(_Raw(address, rate, source)) as raw:
            seen = raw.look(asked, control, timeout)
        method = "SYN"
    except PermissionError:
        found = tcp_ports(address, asked, timeout=timeout, tries=2, source=source)
        seen, method = {n: p.state for n, p in found.items() if p.state != "filtered"}, "connect"
    proof = "none" if control is None else "seen" if seen.get(control) == "open" else "silent"
    among = {n: seen[n] for n in set(numbers) & set(seen)}
    return Sweep(
        address=address,
        open=tuple(sorted(n for n, state in among.items() if state == "open")),
        closed=ranges(n for n, state in among.items() if state == "closed"),
        filtered=len(set(numbers)) - len(among),
        control=proof,
        method=method,
        seconds=round(time.monotonic() - began, 3),
    )


class _Raw:
    """A raw socket that sends SYNs and reads their answers (needs CAP_NET_RAW)."""

    def __init__(self, address: str, rate: int, source: str | None) -> None:
        family, *_, target = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        self.six = family == socket.AF_INET6
        self.target, self.rate = str(target[0]), rate
        self.source_port = 32768 + secrets.randbelow(28000)
        self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
        with contextlib.suppress(PermissionError):
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        if self.six:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 16)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((self.target, 0))
        self.socket.setblocking(False)
        self.source = str(self.socket.getsockname()[0])
        self.syns = segment.Syns(self.source, self.target, self.source_port, secrets.randbits(32))
        self.seen: dict[int, str] = {}

    def close(self) -> None:
        self.socket.close()

    def look(self, numbers: Sequence[int], control: int | None, timeout: float) -> dict[int, str]:
        """Ask every port, then the silent ones again."""
        for _ in range(2):
            self._ask([number for number in numbers if number not in self.seen], control)
            self._listen(timeout / 2)
        return self.seen

    def _ask(self, numbers: Sequence[int], control: int | None) -> None:
        began, sent = time.monotonic(), 0
        for batch in _batches(numbers, control):
            for number in batch:
                self._send(number)
            sent += len(batch)
            self._read()
            ahead = sent / self.rate - (time.monotonic() - began)
            if ahead > 0:
                self._listen(ahead)

    def _send(self, number: int) -> None:
        data = self.syns.to(number)
        while True:
            try:
                self.socket.send(data)
                return
            except BlockingIOError:
                select.select([], [self.socket], [], 0.1)
            except OSError as error:
                if not isinstance(error, ConnectionRefusedError) and error.errno not in (111, 113, 101):
                    raise
                return  # an ICMP error to an earlier SYN is reported on the next send

    def _listen(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                self._read()

    def _read(self) -> None:
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # a pending ICMP error; the next read goes on
            start = 0 if self.six else (data[0] & 0x0F) * 4
            if found := segment.answer(data[start:], self.source_port):
                self.seen.setdefault(*found)


def _batches(numbers: Sequence[int], control: int | None) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), BATCH):
        if control is not None and start % CONTROL_EVERY == 0:
            yield (control,)
        yield numbers[start : start + BATCH]


def main() -> int:
    """Print the open and closed ports; exit code 1 when it was impossible to look."""
    arguments = parser("verify.probes.sweep", "Look at all TCP ports of a host (raw SYN as root).")
    arguments.add_argument("--ports", type=ports, default=ALL, help="default: all, 1-65535")
    arguments.add_argument("--control", type=int, metavar="PORT", help="a port known to be open")
    arguments.add_argument("--rate", type=int, default=60_000, help="packets a second (default 60000)")
    given = arguments.parse_args()
    try:
        seen = sweep(
            given.address, given.ports, control=given.control, rate=given.rate,
            timeout=given.timeout, source=given.source,
        )  # fmt: skip
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    if seen.control == "silent":
        sys.stderr.write(
            f"port {given.control} of {given.address} is silent: this vantage point sees nothing\n"
        )
    lines = [
        f"open     {ranges(seen.open) or 'none'}",
        f"closed   {seen.closed or 'none'}",
        f"filtered {seen.filtered} ports",
    ]
    show(asdict(seen), lines, as_json=given.json)
    return 1 if seen.control == "silent" else 0


if __name__ == "__main__":
    raise SystemExit(main())
