"""The lab's dialer: asks the office's PBX by SIP whether it would take a call, and tells what it hears.

It runs in its host's own network, so that what it sends goes through the host's tunnel. `dialer.py health`
says whether its loop turns (exit code 0 or 1). Whether the PBX answers is not its health: it cannot do
anything about that, and a new container would hear as little.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from pathlib import Path

PORT = 5060
EVERY = 5.0
"""Seconds from one question to the next."""
PATIENCE = 2.0
"""Seconds that the PBX has for its answer."""
OLD = 4 * (EVERY + PATIENCE)
"""Seconds after which the last turn is too old."""
TICK = Path("/tmp/tick")


def question(pbx: str, source: str, port: int) -> bytes:
    """Return an OPTIONS request (RFC 3261, section 11) from an address and port."""
    lines = (
        f"OPTIONS sip:{pbx} SIP/2.0",
        f"Via: SIP/2.0/UDP {source}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}",
        "Max-Forwards: 70",
        f"From: <sip:dialer@{source}>;tag={secrets.token_hex(6)}",
        f"To: <sip:{pbx}>",
        f"Call-ID: {secrets.token_hex(12)}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:dialer@{source}:{port}>",
        "User-Agent: dialer",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def heard(pbx: str, source: str, port: int = PORT, patience: float = PATIENCE) -> str:
    """Ask once; return the first line of the answer, or why there is none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(patience)
            sock.bind((source, 0))
            sock.connect((pbx, port))
            sock.send(question(pbx, source, sock.getsockname()[1]))
            line = sock.recv(65535).partition(b"\r\n")[0]
    except TimeoutError:
        return f"nothing within {patience:g} s"
    except OSError as error:
        return f"nothing: {error.strerror or error}"
    return line.decode(errors="replace")


def turn(pbx: str, source: str) -> None:
    """Ask for ever; whatever comes of it, each turn is remembered."""
    while True:
        TICK.touch()
        print(f"{pbx}: {heard(pbx, source)}")
        time.sleep(EVERY)


def age() -> float:
    """Return how many seconds ago the last turn began; more than any limit where there was none."""
    try:
        return time.time() - TICK.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def main(words: list[str]) -> int:
    """Dial, or say whether the loop turns."""
    if words == ["health"]:
        since = age()
        print(f"the last turn began {since:.0f} s ago")
        return int(since > OLD)
    turn(os.environ["PBX"], os.environ["SOURCE"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
