"""An echo on loopback: it sends back what it gets, as another source, and reports on what it heard.

`strict`: it keeps to the first sender, as Asterisk's strictrtp does; otherwise it follows the latest.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from typing import Any


class Echo:
    """A running echo; `deaf` drops what comes, `mute` sends nothing back, `hums` sends sound of its own."""

    def __init__(
        self, address: str = "127.0.0.1", *, strict: bool = True, deaf: bool = False, mute: bool = False,
        hums: bool = False, answer_from: str = "", breaks: bool = False,
    ) -> None:  # fmt: skip
        self.strict, self.deaf, self.mute, self.hums, self.breaks = strict, deaf, mute, hums, breaks
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.rtp, self.rtcp = self._pair(family, address)
        self.address, self.port = address, self.rtp.getsockname()[1]
        self.back = self.rtp
        if answer_from:
            self.back = socket.socket(family, socket.SOCK_DGRAM)
            self.back.bind((answer_from, 0))
        self.who: Any = None
        self.heard: list[bytes] = []
        self.reports: list[tuple[float, bytes]] = []
        self.sequence, self.control = 100, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _pair(self, family: int, address: str) -> tuple[socket.socket, socket.socket]:
        for even in range(33000, 40000, 2):
            two = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(2)]
            try:
                for number, sock in enumerate(two):
                    sock.bind((address, even + number))
            except OSError:
                for sock in two:
                    sock.close()
                continue
            return two[0], two[1]
        raise OSError("no pair of ports is free")

    def __enter__(self) -> Echo:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        for sock in (self.rtp, self.rtcp, self.back):
            sock.close()

    def _run(self) -> None:
        while not self.stop.is_set():
            for sock in select.select([self.rtp, self.rtcp], [], [], 0.02)[0]:
                data, who = sock.recvfrom(2048)
                if sock is self.rtcp:
                    self.reports.append((time.time(), data))
                    self.control = who
                    self._report()
                elif not self.deaf:
                    self._echo(data, who)
            if self.hums and self.who:
                self._send(self.who, bytes(160))

    def _echo(self, data: bytes, who: Any) -> None:
        if self.who is None or not self.strict:
            self.who = who
        if self.strict and who != self.who:
            return
        self.heard.append(data)
        if not self.mute:
            self._send(self.who, data[12:] if not self.breaks else bytes(160))

    def _send(self, who: Any, payload: bytes) -> None:
        self.sequence += 1
        head = struct.pack("!BBHII", 0x80, 0, self.sequence & 0xFFFF, self.sequence * 160, 7)
        self.back.sendto(head + payload, who)

    def _report(self) -> None:
        """Answer a sender report with one of our own, as RFC 3550 figure 1 lays it out."""
        arrived, data = self.reports[-1]
        (ssrc,) = struct.unpack_from("!I", data, 4)
        last = struct.unpack_from("!Q", data, 8)[0] >> 16 & 0xFFFFFFFF
        highest = struct.unpack_from("!H", self.heard[-1], 2)[0] if self.heard else 0
        since = int((time.time() - arrived) * 65536)
        now = int((time.time() + 2208988800) * 2**32)
        block = struct.pack("!IIIIII", ssrc, 0, highest, 16, last, since) if self.heard else b""
        head = struct.pack("!BBHIQIII", 0x81 if block else 0x80, 200, 6 + len(block) // 4, 7, now, 0, 0, 0)
        if not self.mute or self.heard:
            self.rtcp.sendto(head + block, self.control)
