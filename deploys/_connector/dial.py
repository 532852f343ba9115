"""Open the byte stream that SSH runs over: a TCP socket that notices a dead peer, or a way through a jump."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import paramiko

from control.operator import operator
from control.piped import Piped, shell_of
from control.ssh_config import filled
from deploys._connector.failure import Unreachable
from deploys._connector.route import Route

CONNECT_SECONDS = 8
"""How long a port may take to answer."""
COMMAND_SECONDS = 20
"""How long a ProxyCommand may take: it may have to log in somewhere first."""
HEAD_START_SECONDS = 1.0
"""How much earlier than the next one a preferred port is tried."""
DEAD_PEER_MILLISECONDS = 14_000
"""Sent data that is not acknowledged for this long ends the connection (TCP_USER_TIMEOUT, tcp(7))."""


@dataclass(frozen=True)
class Stream:
    """An open stream to a host's port."""

    socket: Any
    port: int


def dial(route: Route, jump: paramiko.Transport | None = None) -> Stream:
    """Open a stream to the first port of a route that answers; raises Unreachable when none does."""
    if route.proxy_command:
        return _through_command(route)
    if jump is not None:
        return _through_jump(route, jump)
    return _race(route)


def _race(route: Route) -> Stream:
    """Try the ports at once, each later one with a delay: a filtered port costs its head start only."""
    race = _Race(route.address, len(route.ports))
    for place, port in enumerate(route.ports):
        threading.Thread(target=race.run, args=(port, place), daemon=True).start()
    race.decided.wait(CONNECT_SECONDS + HEAD_START_SECONDS * len(route.ports))
    if race.winner is not None:
        return race.winner
    raise _no_answer(route, race.errors)


class _Race:
    def __init__(self, address: str, runners: int) -> None:
        self.address = address
        self.running = runners
        self.winner: Stream | None = None
        self.errors: dict[int, OSError] = {}
        self.decided = threading.Event()
        self.failed = [threading.Event() for _ in range(runners)]

    def run(self, port: int, place: int) -> None:
        until = time.monotonic() + HEAD_START_SECONDS * place
        for earlier in self.failed[:place]:
            earlier.wait(max(0.0, until - time.monotonic()))
        if not self.decided.is_set():
            try:
                self._arrive(tcp(self.address, port), port)
            except OSError as error:
                self.errors[port] = error
                self.failed[place].set()
        self.running -= 1
        if not self.running:
            self.decided.set()

    def _arrive(self, arrived: socket.socket, port: int) -> None:
        if self.winner is not None:
            arrived.close()
            return
        self.winner = Stream(arrived, port)
        self.decided.set()


def tcp(address: str, port: int) -> socket.socket:
    """Return a connected TCP socket without delays that gives up on a dead peer in 14 s; raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    stream = socket.socket(family, socket.SOCK_STREAM)
    try:
        stream.settimeout(CONNECT_SECONDS)
        stream.connect((address, port))
        stream.settimeout(None)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MILLISECONDS)
    except OSError:
        stream.close()
        raise
    return stream


def _no_answer(route: Route, errors: dict[int, OSError]) -> Unreachable:
    ports = " and ".join(str(port) for port in route.ports)
    if errors and all(isinstance(error, ConnectionRefusedError) for error in errors.values()):
        return Unreachable(
            f"{route.host} ({route.address}) refuses connections to port {ports}.",
            "Is sshd running there, and is this the right port?",
        )
    unreachable = next(
        (e for e in errors.values() if not isinstance(e, TimeoutError | ConnectionRefusedError)), None
    )
    seen = f": {unreachable.strerror or unreachable}" if unreachable else ""
    return Unreachable(
        f"{route.host} ({route.address}) does not answer on port {ports}{seen}.",
        "Is it running, and does every firewall on the way let this machine in?",
    )


def _through_jump(route: Route, jump: paramiko.Transport) -> Stream:
    reasons = []
    for port in route.ports:
        try:
            channel = jump.open_channel(
                "direct-tcpip", (route.address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
            )
        except (paramiko.SSHException, EOFError) as error:
            reasons.append(f"port {port}: {error}")
        else:
            return Stream(channel, port)
    raise Unreachable(
        f"{route.host} ({route.address}) is not reached by {route.jumps[-1].host} ({'; '.join(reasons)}).",
        "Can the jump host reach it, and does it allow forwarding (AllowTcpForwarding)?",
    )


def _through_command(route: Route) -> Stream:
    """Start the ProxyCommand for one port after the other, until somebody is heard behind it."""
    reasons = []
    for port in route.ports:
        command = filled(route.proxy_command, route.address, port, route.users[0], route.host)
        stream = Piped((*operator().as_themselves, *shell_of(command)))
        if stream.heard(COMMAND_SECONDS):
            return Stream(stream, port)
        reasons.append(f"port {port}: {stream.last_word() or 'silence'}")
        stream.close()
        if command == route.proxy_command:
            break
    raise Unreachable(
        f"{route.host} ({route.address}) is not heard through its ProxyCommand ({'; '.join(reasons)}).",
        "Try the command of ~/.ssh/config itself; %h in it stands for the address, %p for the port.",
    )
