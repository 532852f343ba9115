"""Messages that the controller made, carried through a tunnel and back: from this host, and from containers.

What they mean is not known here; each is sent again until something comes back, as UDP needs it.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from verify.on_host import engine
from verify.on_host.compose import running
from verify.on_host.section import Request, section
from verify.on_host.strongswan import counters

NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of setns(2)."""
PATIENCE = 4.0
AGAIN = 0.5
"""Seconds until the second sending; each pause is twice the one before (RFC 3261, section 17.1.2.2)."""
QUIET = 0.3
"""Seconds without anything more after which all has been heard."""
MOST = 20
"""Datagrams that are kept of one who does not stop."""


@section("by_sip")
def by_sip(request: Request) -> list[dict[str, Any]]:
    """Return what each place heard of each peer's PBX, and what the peer's SAs have carried meanwhile."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(_of_peer, request.get("by_sip", ())))


def _of_peer(asked: dict[str, Any]) -> dict[str, Any]:
    before = counters(asked["peer"])
    with ThreadPoolExecutor(max_workers=8) as pool:
        heard = list(pool.map(lambda each: from_place(asked, each), asked["places"]))
    after = counters(asked["peer"])
    return {"peer": asked["peer"], "heard": heard, "rose": {key: after[key] - before[key] for key in after}}


def from_place(asked: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    """Send a place's message from there; `unasked` says why that was impossible, `ended` why it is over."""
    found: dict[str, Any] = {"unasked": "", "ended": "", "sent": 0, "heard": []}
    try:
        sock = socket_in(_process(place["container"]))
    except (OSError, RuntimeError) as error:
        return {**found, "unasked": _words(error)}
    with sock:
        try:
            sock.bind((asked["source"], place["port"]))
        except OSError as error:
            away = error.errno == errno.EADDRNOTAVAIL
            return {**found, "ended" if away else "unasked": _words(error)}
        try:
            sock.connect((asked["address"], asked["port"]))
            _exchange(sock, base64.b64decode(place["data"]), found)
        except OSError as error:
            found["ended"] = _words(error)
    return found


def _process(container: dict[str, Any] | None) -> int | None:
    """Return the process that a declared container runs, None for the host itself."""
    if container is None:
        return None
    found = running(engine.containers(), container["stack"], container["runs_as"])
    if not found:
        raise RuntimeError("it does not run")
    return int(found[0]["State"]["Pid"])


def socket_in(process: int | None) -> socket.socket:
    """Return a UDP socket in the network of a process, where it stays. Raises OSError."""
    if process is None:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ThreadPoolExecutor(max_workers=1) as apart:  # only the thread that goes there changes its network
        return apart.submit(_entered, process).result()


def _entered(process: int) -> socket.socket:
    with open(f"/proc/{process}/ns/net", "rb") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), NEW_NETWORK):
            number = ctypes.get_errno()
            raise OSError(number, f"its network cannot be entered ({errno.errorcode.get(number, number)})")
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _exchange(sock: socket.socket, data: bytes, found: dict[str, Any]) -> None:
    """Send until something comes back, and gather what follows at once. Raises OSError for what ICMP says."""
    now = due = time.monotonic()
    until, pause = now + PATIENCE, AGAIN
    while now < until and len(found["heard"]) < MOST:
        if now >= due and not found["heard"]:
            sock.send(data)
            found["sent"] += 1
            due, pause = now + pause, 2 * pause
        end = until if found["heard"] else min(due, until)
        if select.select([sock], [], [], max(0.0, end - now))[0]:
            found["heard"].append(base64.b64encode(sock.recv(65535)).decode())
            until = min(until, time.monotonic() + QUIET)
        now = time.monotonic()


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
