"""Answer tokened datagrams on the free UDP ports of a range; this file alone is sent to the far host.

It runs there as `python3 -I` (3.9 or later, standard library only), is told on stdin what to bind, answers
valid tokens only, each with as many bytes as it got, and ends when stdin closes or its time is up. It holds
one slice of the ports at a time: whoever calls meanwhile still finds free ones.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

TOKEN = struct.Struct("!4s8s16s")
ASK, ANSWER = b"TLq1", b"TLa1"
"""The first byte is none of STUN, DTLS, TURN or RTP (RFC 7983): a call that gets it by chance drops it."""
SHARE = 4
"""A slice is a quarter of the ports, and at most half of those that are free."""
FEW = 4
"""Below so many ports they are all bound at once: two pairs make one call."""
SPARE_FILES = 32
NOBODY = 65534
LOADER = (
    "import os,sys\nd=b''\nn=int(sys.argv[1])\n"
    "while len(d)<n:\n p=os.read(0,n-len(d))\n p or sys.exit(1)\n d+=p\n"
    "exec(compile(d,'responder','exec'),{'__name__':'__main__'})"
)
"""Takes the program from stdin and leaves the rest of stdin to it: no secret is in any argv."""


def token(kind: bytes, key: bytes, nonce: bytes, port: int) -> bytes:
    """Return 28 bytes that only who has the key can make, for one port and one question."""
    return TOKEN.pack(kind, nonce, _mac(kind, key, nonce, port))


def nonce_of(data: bytes, kind: bytes, key: bytes, port: int) -> bytes | None:
    """Return the nonce of a valid token of this kind for this port, None of anything else."""
    if len(data) != TOKEN.size:
        return None
    found, nonce, mac = TOKEN.unpack(data)
    valid = found == kind and hmac.compare_digest(mac, _mac(kind, key, nonce, port))
    return bytes(nonce) if valid else None


def _mac(kind: bytes, key: bytes, nonce: bytes, port: int) -> bytes:
    return hmac.digest(key, kind + nonce + port.to_bytes(2, "big"), "sha256")[:16]


def pairs(ports: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Yield the ports as RTP uses them: an even one with the odd one above it (RFC 3550 section 11)."""
    numbers = sorted(set(ports))
    index = 0
    while index < len(numbers):
        two = tuple(numbers[index : index + 2])
        whole = len(two) == 2 and two[0] % 2 == 0 and two[1] == two[0] + 1
        yield two if whole else two[:1]
        index += 2 if whole else 1


def in_use(ports: set[int], addresses: Iterable[str]) -> int:
    """Count the ports of a set that others hold on these addresses or on all (proc(5), /proc/net/udp)."""
    mine = {_hexadecimal(address) for address in addresses}
    found = set()
    for name in ("udp", "udp6"):
        try:
            with open(f"/proc/net/{name}", "rb") as file:  # bytes: no codec is imported as nobody
                for line in list(file)[1:]:
                    address, _, port = line.split()[1].partition(b":")
                    if address in mine or not address.strip(b"0"):
                        found.add(int(port, 16))
        except OSError:
            continue
    return len(found & ports)


def _hexadecimal(address: str) -> bytes:
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return b"".join(b"%08X" % word for word in struct.unpack(f"={len(packed) // 4}I", packed))


class Responder:
    """The sockets of the present slice, and what was heard on them."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.key = bytes.fromhex(request["key"])
        self.addresses: list[str] = request["addresses"]
        self.ports = set(request["ports"])
        self.waiting = deque(pairs(self.ports))
        self.rate = int(request["rate"])
        self.limit = _more_files(len(self.ports) * len(self.addresses))
        self.sockets: dict[int, tuple[socket.socket, str, int]] = {}
        self.heard: set[tuple[str, int, int]] = set()
        """Address, port, and the second byte of the nonce: which asker it was."""
        self.poll = select.epoll()
        self.window, self.answers = 0, 0
        if min(self.ports) > 1023 and os.geteuid() == 0:
            _become_nobody()

    def next(self, keep: Iterable[int] = ()) -> dict[str, Any]:
        """Let the slice go except `keep`, bind the next, and return what is bound, held, given up."""
        heard, self.heard = sorted(self.heard), set()
        self._release({port | 1 for port in keep})
        size = self._size()
        if size < 2 and self.sockets:  # no room for a control beside the calls
            self._release(set())
            size = self._size()
        kept = sorted({port for _, _, port in self.sockets.values()})
        bound: set[int] = set()
        held: list[int] = []
        while self.waiting and len(bound) + len(self.waiting[0]) <= size:
            taken = self._bind(self.waiting[0])
            if taken is None:
                break
            (bound.update if taken else held.extend)(self.waiting.popleft())
        given_up = [port for pair in self.waiting for port in pair] if not bound and not held else []
        self.waiting = deque() if given_up else self.waiting
        left = sum(map(len, self.waiting))
        found: dict[str, Any] = {"bound": sorted(bound), "held": held, "given_up": given_up, "kept": kept}
        return {**found, "left": left, "heard": heard}

    def _release(self, kept: set[int]) -> None:
        """Close all sockets but those of kept pairs, each named by its odd port."""
        for number, (sock, _, port) in list(self.sockets.items()):
            if port | 1 not in kept:
                self.poll.unregister(number)
                sock.close()
                del self.sockets[number]

    def _size(self) -> int:
        """Return how many ports may be bound now, so that calls find others."""
        files = max(0, self.limit - len(self.sockets) - SPARE_FILES) // len(self.addresses)
        if len(self.ports) < FEW:
            return min(len(self.ports), files)
        mine = {port for _, _, port in self.sockets.values()}
        free = len(self.ports) - in_use(self.ports - mine, self.addresses)
        share = -(-len(self.ports) // SHARE)
        return min(max(2, share + share % 2), free // 2 - len(mine), files)

    def _bind(self, pair: tuple[int, ...]) -> bool | None:
        """Bind a pair on every address, or nothing of it: False when held, None when files ran out."""
        made: list[tuple[socket.socket, str, int]] = []
        for address in self.addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            for port in pair:
                try:
                    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                    made.append((sock, address, port))
                    sock.bind((address, port))
                except OSError as error:
                    for each, _, _ in made:
                        each.close()
                    if error.errno == errno.EADDRINUSE:
                        return False
                    if error.errno in (errno.EMFILE, errno.ENFILE):
                        return None
                    sys.exit(f"udp {port} of {address} cannot be bound: {error.strerror}")
        for sock, address, port in made:
            self.sockets[sock.fileno()] = (sock, address, port)
            self.poll.register(sock, select.EPOLLIN)
        return True

    def serve(self, control: int) -> bytes:
        """Answer until something can be read from `control`; return it, empty when it was closed."""
        self.poll.register(control, select.EPOLLIN)
        try:
            while True:
                for number, _ in self.poll.poll(1.0, 256):
                    if number == control:
                        return os.read(control, 4096)
                    self._answer(*self.sockets[number])
        finally:
            self.poll.unregister(control)

    def _answer(self, sock: socket.socket, address: str, port: int) -> None:
        """Answer what waits on one socket; a bounded number, so that no sender keeps us from stdin."""
        for _ in range(8):
            try:
                data, who = sock.recvfrom(TOKEN.size + 1)
                nonce = nonce_of(data, ASK, self.key, port)
                if nonce is not None:
                    self.heard.add((address, port, nonce[1]))
                    if self._may_answer():
                        sock.sendto(token(ANSWER, self.key, nonce, port), who)
            except OSError:
                return

    def _may_answer(self) -> bool:
        window = int(time.monotonic() * 10)
        if window != self.window:
            self.window, self.answers = window, 0
        self.answers += 1
        return self.answers <= self.rate // 10


def _more_files(wanted: int) -> int:
    """Raise the limit of open files as far as allowed, root's beyond its hard limit; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + 2 * SPARE_FILES
    for highest in (max(need, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(need, highest)), highest))
            break
        except (OSError, ValueError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _lines() -> Iterator[bytes]:
    data = b""
    while True:
        line, found, rest = data.partition(b"\n")
        if found:
            data = rest
            yield line
            continue
        part = os.read(0, 65536)
        if not part or len(data) > 1 << 20:
            return
        data += part


def main() -> None:
    """Read the request, bind the first slice, and the next whenever a line asks for it."""
    line = next(_lines(), b"")
    if not line:
        return
    request = json.loads(line)
    signal.alarm(int(request["seconds"]))  # its default ends the process, whatever it is doing
    responder = Responder(request)
    said: dict[str, Any] = {}
    while True:
        print(json.dumps(responder.next(said.get("keep", ()))), flush=True)
        line = responder.serve(0)
        if not line:
            return
        said = json.loads(line)


if __name__ == "__main__":
    main()
