"""Log in on a terminal as on a provider's console. Argument: the account. The password comes by stdin.

Runs on a host as root, as getty does; prints what the terminal showed: the answers, or a refusal.
"""

from __future__ import annotations

import os
import pty
import select
import sys
import time

ASKS, DONE = b"assword: ", b"<that was all>"
SECONDS = 25


def heard(master: int, mark: bytes, until: float) -> bytes:
    """Return what the terminal shows until a mark; login(1) hangs the line up once before it asks."""
    said = b""
    while mark not in said and time.monotonic() < until:
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            said += os.read(master, 4096)
        except OSError:
            time.sleep(0.05)
        if b"incorrect" in said:
            break
    return said


def main() -> None:
    """Log in, ask who we are and what sudo makes of us."""
    password = sys.stdin.readline().rstrip("\n")
    child, master = pty.fork()
    if child == 0:
        os.execv("/bin/login", ["login", sys.argv[1]])
    until = time.monotonic() + SECONDS
    said = heard(master, ASKS, until)
    os.write(master, f"{password}\n".encode())
    time.sleep(0.3)
    os.write(master, b"echo I am $(id -un), sudo makes me $(sudo -n id -un); echo '<that was' 'all>'; exit\n")
    said += heard(master, DONE, until)
    print(said.decode(errors="replace"))


main()
