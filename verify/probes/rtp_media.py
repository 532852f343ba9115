"""The sound of one call to an echo: sent every 20 ms, heard back, measured (RFC 3550), and intruded upon.

An intruder sends well-formed sound to the same port from another socket meanwhile: it must get nothing back,
and nothing of it may be heard. Every wait has an end, and what a peer sends costs no memory.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from verify.probes.rtp_heard import Echoes, Jitter, Received
from verify.probes.rtp_packet import Block, Rtp, build_report, build_rtp, middle, read_rtcp, read_rtp
from verify.probes.rtp_token import INTRUDERS, OURS, SAMPLES, index_of, sound

INTERVAL = 0.02
SO_TIMESTAMPNS = 35  # Linux asm-generic/socket.h: when the kernel got a packet; not in Python's socket module
STAMP = struct.Struct("=qq")
AT_ONCE = 64
"""Datagrams that are read before the clock is looked at again."""
MOST_SOURCES = 16
REPORT_AFTER, REPORT_EVERY = 2.0, 5.0
"""Seconds (RFC 3550 section 6.2: half of the least interval first, then all of it)."""
INTRUSION_AFTER, INTRUSION_PACKETS = 1.5, 50
LINGER = 1.0
"""Seconds to wait for echoes that are still under way."""

Address = tuple[str, int]


class Stream:
    """What is sent from one socket to one port: numbers, times, and how late it was sent."""

    def __init__(self, sock: socket.socket, target: tuple[Any, ...], kind: bytes, key: bytes) -> None:
        self.sock, self.target, self.kind, self.key = sock, target, kind, key
        self.ssrc, self.sequence = secrets.randbits(32), secrets.randbits(15)
        self.start = secrets.randbits(31)
        self.count = self.failed = 0
        self.jitter = Jitter()

    @property
    def timestamp(self) -> int:
        """The timestamp of the next packet."""
        return (self.start + self.count * SAMPLES) & 0xFFFFFFFF

    def send(self) -> float:
        """Send the next packet and return when (Unix seconds)."""
        payload = sound(self.kind, self.key, self.count)
        packet = Rtp(0, self.sequence + self.count, self.timestamp, self.ssrc, payload, self.count == 0)
        now = time.time()
        self.jitter.take(now, self.timestamp)
        try:
            self.sock.sendto(build_rtp(packet), self.target)
        except OSError:
            self.failed += 1
        self.count += 1
        return now


class Media:
    """The sockets of one call. Raises OSError where no pair of ports is free or the address is not ours."""

    def __init__(self, address: str, intruder: str | None = None) -> None:
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.rtp, self.rtcp = self._pair(address)
        self.intruder = self._socket(intruder or address, 0)
        self.port = int(self.rtp.getsockname()[1])
        self.key = secrets.token_bytes(16)
        self.echoes = Echoes()
        self.received: Received | None = None
        self.sources: dict[Address, int] = {}
        self.others = self.intruded = self.intruder_got = 0
        self.reports = 0
        self.far: Block | None = None
        self.far_trip: float | None = None
        self.latest = 0.0

    def __enter__(self) -> Media:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self.rtp, self.rtcp, self.intruder):
            sock.close()

    def _pair(self, address: str) -> tuple[socket.socket, socket.socket]:
        for _ in range(100):
            even = 20000 + 2 * secrets.randbelow(6000)
            with contextlib.ExitStack() as stack:
                try:
                    two = tuple(stack.enter_context(self._socket(address, even + n)) for n in range(2))
                except OSError as error:
                    if error.errno != 98:  # EADDRINUSE
                        raise
                    continue
                stack.pop_all()
                return two[0], two[1]
        raise OSError(98, "no pair of ports is free")

    def _socket(self, address: str, port: int) -> socket.socket:
        sock = socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        return sock

    def run(
        self, target: Address, control: Address, seconds: float, alive: Callable[[], bool] = lambda: True
    ) -> None:
        """Send and hear for `seconds`, or until not `alive`; `control` is where RTCP goes."""
        self.ours = Stream(self.rtp, target, OURS, self.key)
        self.theirs = Stream(self.intruder, target, INTRUDERS, self.key)
        began = time.monotonic()
        self.due = {"sound": began, "intruder": began + INTRUSION_AFTER, "report": began + REPORT_AFTER}
        end = began + seconds
        while (now := time.monotonic()) < end and alive():
            self._send_due(now, control)
            self._hear(min(*self.due.values(), end))
        self._report(control, bye=True)
        rest = time.monotonic() + LINGER
        while time.monotonic() < rest and self.echoes.back and self.echoes.lost:
            self._hear(rest)
        self._hear(0.0)

    def _send_due(self, now: float, control: Address) -> None:
        if now >= self.due["sound"]:
            self.latest = max(self.latest, now - self.due["sound"])
            self.echoes.sent.append(self.ours.send())
            self.due["sound"] += INTERVAL
        if now >= self.due["intruder"]:
            self.theirs.send()
            more = self.theirs.count < INTRUSION_PACKETS
            self.due["intruder"] = self.due["intruder"] + INTERVAL if more else float("inf")
        if now >= self.due["report"]:
            self._report(control)
            self.due["report"] += REPORT_EVERY

    def _report(self, control: Address, bye: bool = False) -> None:
        now = time.time()
        block = self.received.block(now) if self.received else None
        sent = self.ours.count
        report = build_report(self.ours.ssrc, now, self.ours.timestamp, sent, sent * SAMPLES, block, bye=bye)
        with contextlib.suppress(OSError):
            self.rtcp.sendto(report, control)

    def _hear(self, until: float) -> None:
        """Wait for what comes next, but no longer than `until`, and take it."""
        wait = max(0.0, until - time.monotonic())
        for sock in select.select([self.rtp, self.rtcp, self.intruder], [], [], wait)[0]:
            for _ in range(AT_ONCE):
                try:
                    data, ancillary, _, who = sock.recvmsg(2048, 64)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # an ICMP error to what was sent before
                self._take(sock, data, _arrival(ancillary), (str(who[0]).partition("%")[0], int(who[1])))

    def _take(self, sock: socket.socket, data: bytes, arrival: float, who: Address) -> None:
        if sock is self.rtcp:
            self._take_reports(data, arrival)
            return
        packet = read_rtp(data)
        if sock is self.intruder:
            self.intruder_got += packet is not None
            return
        if packet is None:
            self.others += 1
            return
        if who in self.sources or len(self.sources) < MOST_SOURCES:
            self.sources[who] = self.sources.get(who, 0) + 1
        index = index_of(packet.payload, OURS, self.key)
        if index is None:
            heard = index_of(packet.payload, INTRUDERS, self.key) is not None
            self.intruded, self.others = self.intruded + heard, self.others + (not heard)
            return
        self.echoes.take(index, arrival)
        if self.received is None or self.received.ssrc != packet.ssrc:
            self.received = Received.begun(packet)
        self.received.take(arrival, packet)

    def _take_reports(self, data: bytes, arrival: float) -> None:
        for part in read_rtcp(data):
            self.reports += part.kind != "BYE"
            if part.kind == "SR" and self.received and part.ssrc == self.received.ssrc:
                self.received.reported(part.ntp, arrival)
            for block in part.blocks:
                if block.ssrc == self.ours.ssrc:
                    self.far = block
                    if block.last:
                        trip = ((middle(arrival) - block.last) & 0xFFFFFFFF) / 65536 - block.since
                        self.far_trip = trip if 0 <= trip < 60 else self.far_trip


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Return when the kernel got a packet (Unix seconds), else now."""
    for level, kind, data in ancillary:
        if (level, kind, len(data)) == (socket.SOL_SOCKET, SO_TIMESTAMPNS, STAMP.size):
            seconds, nanoseconds = STAMP.unpack(data)
            return int(seconds) + int(nanoseconds) / 1e9
    return time.time()
