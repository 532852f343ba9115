"""Let sshd take on what stands on the disk, and wait until it has. Argument: its unit.

A reload returns once the signal is sent. A login in that moment is still judged by the configuration before,
and would prove nothing of the present one. When sshd takes a new configuration on it closes its listening
sockets and opens others: their numbers tell (sshd.c, sighup_restart).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

PATIENCE = 15.0
"""Seconds for a daemon on a busy host."""


def listening() -> set[str]:
    """Return the socket numbers of everything that takes TCP connections here (proc(5), state 0A)."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            with open(table, encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
            found |= {row[9] for row in rows if row[3] == "0A"}
    return found


def sockets_of(unit: str) -> set[str]:
    """Return the socket numbers on which a unit's main process takes connections."""
    argv = ("systemctl", "show", "--property", "MainPID", "--value", unit)
    pid = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    own = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            own.add(os.readlink(f"/proc/{pid}/fd/{name}").removeprefix("socket:[").removesuffix("]"))
    except OSError:
        return set()
    return own & listening()


def main() -> None:
    """Reload and wait; SystemExit when the daemon refuses or does not come back."""
    unit = sys.argv[1]
    before = sockets_of(unit)
    done = subprocess.run(
        ("systemctl", "reload-or-restart", unit), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{unit} does not take on its configuration: {done.stderr.strip()}")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = sockets_of(unit)
        if now and not now & before:
            return
        time.sleep(0.02)
    sys.exit(f"{unit} did not take on its configuration within {PATIENCE:.0f} s")


main()
