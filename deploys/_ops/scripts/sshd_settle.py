"""Let sshd take on what stands on the disk, and wait until it has. Arguments: its unit, and the socket's unit
where systemd listens for it. Prints since when that is so: `<boot id>@<CLOCK_BOOTTIME>`.

A reload returns once the signal is sent. A login in that moment is still judged by the configuration before,
and would prove nothing of the present one. When sshd takes a new configuration on it closes its listening
sockets and opens others: their numbers tell (sshd.c, sighup_restart). Behind a socket unit it reads its
configuration when it starts, and the unit has the ports.
"""

from __future__ import annotations

import math
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


def run(*argv: str) -> None:
    """Run a systemctl command; SystemExit with its own words where it fails."""
    done = subprocess.run(("systemctl", *argv), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{argv[-1]} does not take on its configuration: {done.stderr.strip()}")


def starting(unit: str) -> bool:
    """Say whether the daemon is between two configurations: it runs, and listens nowhere yet."""
    argv = ("systemctl", "is-active", "--quiet", unit)
    return not sockets_of(unit) and subprocess.run(argv, check=False).returncode == 0


def reload(unit: str) -> None:
    """Reload a daemon that listens itself; SystemExit when it does not come back.

    In the middle of taking a configuration on it is deaf to the signal: that is waited for.
    """
    end = time.monotonic() + PATIENCE
    while starting(unit) and time.monotonic() < end:
        time.sleep(0.02)
    before = sockets_of(unit)
    run("reload-or-restart", unit)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = sockets_of(unit)
        if now and not now & before:
            return
        time.sleep(0.02)
    sys.exit(f"{unit} did not take on its configuration within {PATIENCE:.0f} s")


def moment() -> str:
    """Return this moment of this boot, as exactly as the kernel knows when a process began."""
    ticks = os.sysconf("SC_CLK_TCK")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot_id = file.read().strip()
    return f"{boot_id}@{math.floor(time.clock_gettime(time.CLOCK_BOOTTIME) * ticks) / ticks}"


def main() -> None:
    """Reload, or start anew behind the socket; then say since when."""
    unit, *socket = sys.argv[1:]
    if socket:
        run("daemon-reload")
        run("stop", unit)
        run("restart", *socket)
    else:
        reload(unit)
    print(moment())


main()
