"""Ask UDP ports from here with tokens: fast rounds first, then slowly what is left, beside a control.

Silence is called closed only where a port known to be open was heard meanwhile, and after so many tries that
the loss seen on it makes a mistake unlikely. As a program it takes JSON questions on stdin, a line each.
"""

from __future__ import annotations

import json
import math
import secrets
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from verify.probes.responder import ANSWER, ASK, nonce_of, token
from verify.probes.tcp import tcp_ports

FAST_ROUNDS = 3
SLOW_RATE = 500
"""Packets a second when what is left is asked again; more where that took longer than two seconds."""
CONTROL_EVERY = 4
ODDS = 0.01
"""How likely it may be that any open port of a question is called closed."""
MOST_TRIES = 25
PATIENCE = 0.05
"""Seconds to wait for late answers at least."""


@dataclass(frozen=True)
class Heard:
    """What one question came to; every port is in one of `open`, `silent` and `unproven`."""

    open: list[int]
    silent: list[int]
    """Nothing came back although the control did: closed, as seen from here."""
    unproven: list[int]
    why: str
    control: str
    """What proved that one can hear here: "udp N", "tcp N" or nothing."""
    controls: int
    """Packets to the control while what was left was asked again."""
    answered: int
    """How many of those were answered."""
    tries: int
    round_trip_ms: float | None
    sent: int
    foreign: int
    """Datagrams that were no answer to what was asked."""
    source: str
    """The local address that was asked from."""


class Rounds:
    """One socket that asks one host's ports. Raises OSError when this machine cannot send there."""

    def __init__(
        self, address: str, key: bytes, *, rate: int, timeout: float, source: str | None, asker: int = 0
    ) -> None:
        family, *_, target = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        self.target: tuple[Any, ...] = target
        self.key, self.rate, self.timeout, self.asker = key, rate, timeout, bytes((asker,))
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if source:
            self.socket.bind((source, 0))
        with socket.socket(family, socket.SOCK_DGRAM) as route:
            route.connect(target)
            self.source = source or str(route.getsockname()[0])
        self.asked: dict[bytes, tuple[int, float]] = {}
        self.times: list[float] = []
        self.open: set[int] = set()
        self.sent = self.foreign = 0
        self.controls = self.answered = 0
        self.control: int | None = None

    def __enter__(self) -> Rounds:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def look(self, ports: Sequence[int], control: int | None, tcp: int | None) -> Heard:
        """Ask every port; `control` is a UDP port that answered before, `tcp` one that accepts or refuses."""
        for _ in range(FAST_ROUNDS):
            waiting = [port for port in ports if port not in self.open]
            if not waiting:
                break
            self._send_all(waiting, self.rate)
            self._listen_until_quiet(waiting)
            if not self.open:
                break  # nobody answers: ask slowly at once
        self.control = control or next((port for port in ports if port in self.open), None)
        left = {port for port in ports if port not in self.open}
        tries = self._slowly(left) if left else 0
        left -= self.open
        return self._heard(ports, left, tries, tcp)

    def _slowly(self, left: set[int]) -> int:
        """Ask what is left again and again, each time beside the control; return how often."""
        for tries in range(1, MOST_TRIES + 1):
            waiting = sorted(left - self.open)
            if not waiting:
                return tries - 1
            self.control = self.control or min(self.open & left, default=None)
            self._send_all(waiting, max(SLOW_RATE, len(waiting) // 2), beside=self.control)
            self._listen_until_quiet(waiting)
            if tries >= self._enough(len(waiting)):
                return tries
        return MOST_TRIES

    def _enough(self, count: int) -> int:
        """Return how many tries make it unlikely that one of `count` open ports lost them all."""
        if self.control is None:
            return FAST_ROUNDS
        return math.ceil(math.log(ODDS / max(count, 1)) / math.log(self._likely_loss()))

    def _likely_loss(self) -> float:
        """Return the control's loss, by the rule of succession: few packets prove little."""
        return (self.controls - self.answered + 1) / (self.controls + 2)

    def _heard(self, ports: Sequence[int], left: set[int], tries: int, tcp: int | None) -> Heard:
        seen, why = f"udp {self.control}" if self.control else "", ""
        if left and self.control is None:
            seen = f"tcp {tcp}" if tcp and self._tcp_answers(tcp) else ""
            why = "" if seen else "nothing answers, and no control shows that anything could"
        elif left and (tries < self._enough(len(left)) or not self.answered):
            why = f"the control lost {self.controls - self.answered} of {self.controls} packets"
        times = sorted(self.times)
        return Heard(
            open=sorted(self.open & set(ports)), silent=[] if why else sorted(left),
            unproven=sorted(left) if why else [], why=why, control=seen,
            controls=self.controls, answered=self.answered, tries=tries,
            round_trip_ms=round(times[len(times) // 2] * 1000, 3) if times else None,
            sent=self.sent, foreign=self.foreign, source=self.source,
        )  # fmt: skip

    def _tcp_answers(self, port: int) -> bool:
        seen = tcp_ports(str(self.target[0]), [port], timeout=self.timeout, source=self.source)
        return seen[port].state in ("open", "closed")

    def _send_all(self, ports: Sequence[int], rate: int, beside: int | None = None) -> None:
        began, sent, batch = time.monotonic(), 0, max(1, rate // 300)
        for index, port in enumerate(ports):
            if beside is not None and index % CONTROL_EVERY == 0:
                self.controls += 1
                self._send(beside, mark=b"c")
                sent += 1
            self._send(port)
            sent += 1
            if sent % batch == 0:
                self._listen(max(0.0, began + sent / rate - time.monotonic()))

    def _send(self, port: int, mark: bytes = b"p") -> None:
        nonce = mark + self.asker + secrets.token_bytes(6)
        self.asked[nonce] = (port, time.monotonic())
        data = token(ASK, self.key, nonce, port)
        for _ in range(100):
            try:
                self.socket.sendto(data, (self.target[0], port, *self.target[2:]))
                break
            except BlockingIOError:
                select.select([], [self.socket], [], 0.1)
            except ConnectionRefusedError:
                continue  # an ICMP error to an earlier packet is told on the next
        self.sent += 1

    def _listen_until_quiet(self, waiting: Sequence[int]) -> None:
        """Listen until all have answered, or as long as an answer may still be under way."""
        patience = min(self.timeout, max(PATIENCE, 3 * max(self.times))) if self.times else self.timeout
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0 and not self.open.issuperset(waiting):
            self._listen(left, once=True)
        if self.controls > self.answered:
            self._listen(PATIENCE)

    def _listen(self, seconds: float, once: bool = False) -> None:
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if select.select([self.socket], [], [], left)[0]:
                self._read()
            if once or time.monotonic() >= deadline:
                return

    def _read(self) -> None:
        """Take what has arrived; a bounded number, so that a flood ends with the time as well."""
        for _ in range(256):
            try:
                data, (address, port, *_) = self.socket.recvfrom(64)
            except BlockingIOError:
                return
            except OSError:
                continue
            nonce = nonce_of(data, ANSWER, self.key, port) if address == self.target[0] else None
            asked = self.asked.pop(nonce, None) if nonce else None
            if asked is None or asked[0] != port or nonce is None:
                self.foreign += 1
                continue
            self.times.append(time.monotonic() - asked[1])
            self.open.add(port)
            self.answered += nonce[:1] == b"c"


def ask(question: dict[str, Any]) -> Heard:
    """Answer one question: address, key, ports, and what else `udp_ranges` tells an asker."""
    with Rounds(
        question["address"], bytes.fromhex(question["key"]), rate=int(question.get("rate") or 10_000),
        timeout=float(question.get("timeout") or 1.0), source=question.get("source"),
        asker=question.get("asker", 0),
    ) as rounds:  # fmt: skip
        return rounds.look(question["ports"], question.get("control"), question.get("tcp"))


def main() -> None:
    """Answer a question a line until stdin closes."""
    for line in sys.stdin:
        question = json.loads(line)
        try:
            found: dict[str, Any] = asdict(ask(question))
        except OSError as error:
            found = {"error": f"{question['address']}: {error.strerror or error}"}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
