"""What the machine must have left before more hosts are booted on it: found by trying, not by counting."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from control.errors import TrunklineError

INOTIFY_OF_HOST = 9
"""Inotify instances of a host at work: systemd 3, a session's systemd 3, dbus, logind, fail2ban."""
DISK_MB_OF_HOST = 500
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


def require_room(hosts: int, home: Path) -> None:
    """Raise where `hosts` more hosts would come up crippled; `home` is where their disks are made."""
    if not hosts:
        return
    wanted = hosts * INOTIFY_OF_HOST
    if (left := inotify_left(wanted)) < wanted:
        limit = int(_LIMIT.read_text())
        raise TrunklineError(
            f"The machine has {left} of {limit} inotify instances left; {hosts} more hosts need {wanted}.",
            f"Take another twin down, or raise it: sysctl -w fs.inotify.max_user_instances={8 * limit}",
        )
    free = shutil.disk_usage(home).free >> 20
    if free < hosts * DISK_MB_OF_HOST:
        raise TrunklineError(
            f"{home} has {free} MB left, and {hosts} more hosts need {hosts * DISK_MB_OF_HOST}.",
            "Erase twins that are not needed, or set TRUNKLINE_HOME to a larger disk.",
        )


def inotify_left(wanted: int) -> int:
    """Return how many inotify instances can be made now, `wanted` at most (inotify_init1(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    made: list[int] = []
    try:
        while len(made) < wanted and (handle := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
            made.append(handle)
        return len(made)
    finally:
        for handle in made:
            os.close(handle)
