"""A relay of UDP between two loopback addresses that loses, delays, repeats: a network made for a test."""

from __future__ import annotations

import heapq
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

Fate = Callable[[str, int, bytes], Iterable[float]]
"""Of a datagram "in" or "out" on a port: after how many seconds it is passed on, once for each."""


def at_once(direction: str, port: int, data: bytes) -> Iterable[float]:
    """Pass everything on."""
    return (0.0,)


class Relay:
    """Listens on `front` and speaks to the same ports of `back`; one far sender a port at a time."""

    def __init__(self, front: str, back: str, ports: Iterable[int], fate: Fate = at_once) -> None:
        self.fate, self.back = fate, back
        self.poll = select.epoll()
        self.ends: dict[int, tuple[str, int]] = {}
        self.fronts: dict[int, socket.socket] = {}
        self.backs: dict[int, socket.socket] = {}
        self.who: dict[int, Any] = {}
        self.late: list[tuple[float, int, str, int, bytes]] = []
        self.count = 0
        for port in ports:
            self.fronts[port] = self._socket("in", port, front, port)
            self.backs[port] = self._socket("out", port, back, 0)
        self.wake, self.stop = os.pipe()
        self.poll.register(self.wake, select.EPOLLIN)
        self.thread = threading.Thread(target=self._run)

    def _socket(self, direction: str, port: int, address: str, local: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind((address, local))
        self.poll.register(sock, select.EPOLLIN)
        self.ends[sock.fileno()] = (direction, port)
        return sock

    def __enter__(self) -> Relay:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.stop)
        self.thread.join()
        os.close(self.wake)
        for sock in (*self.fronts.values(), *self.backs.values()):
            sock.close()

    def _run(self) -> None:
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else None
            for number, _ in self.poll.poll(wait):
                if number == self.wake:
                    return
                self._take(*self.ends[number])
            while self.late and self.late[0][0] <= time.monotonic():
                self._pass(*heapq.heappop(self.late)[2:])

    def _take(self, direction: str, port: int) -> None:
        sock = (self.fronts if direction == "in" else self.backs)[port]
        try:
            data, who = sock.recvfrom(4096)
        except OSError:
            return
        if direction == "in":
            self.who[port] = who
        for delay in self.fate(direction, port, data):
            self.count += 1
            if delay:
                heapq.heappush(self.late, (time.monotonic() + delay, self.count, direction, port, data))
            else:
                self._pass(direction, port, data)

    def _pass(self, direction: str, port: int, data: bytes) -> None:
        try:
            if direction == "in":
                self.backs[port].sendto(data, (self.back, port))
            elif port in self.who:
                self.fronts[port].sendto(data, self.who[port])
        except OSError:
            return
