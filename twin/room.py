"""What the machine must have left before more hosts are booted on it: found by trying, not by counting."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import time
from pathlib import Path

from control import places
from control.errors import TrunklineError

INOTIFY_OF_HOST = 9
"""Inotify instances of a host at work: systemd 3, a session's systemd 3, dbus, logind, fail2ban."""
DISK_MB_OF_HOST = 500
PATIENCE = "TRUNKLINE_PATIENCE"
"""The variable that says how many seconds a twin waits for others to leave room (default: none)."""
PAUSE = 0.5
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


def require_room(new: int, hosts: int, home: Path, twin: str) -> None:
    """Claim room for a twin of so many hosts, of which `new` are about to boot; waits for it where told to.

    A host takes some of its instances long after its boot, so a twin's claim stands as long as its run-time
    files do. Raises TrunklineError where hosts would come up crippled; `home` is where their disks are made.
    """
    if not new:
        return
    _require_disk(new, home)
    end = time.monotonic() + float(os.environ.get(PATIENCE, 0))
    while not _claimed(twin, new * INOTIFY_OF_HOST, hosts * INOTIFY_OF_HOST):
        if time.monotonic() > end:
            raise _refusal(new)
        time.sleep(PAUSE)


def _claimed(twin: str, new: int, total: int) -> bool:
    """Claim a twin's inotify instances where they are there and nobody else's claim needs them."""
    claims = places.run() / "_room"
    claims.mkdir(parents=True, exist_ok=True)
    with (claims / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        others = [claim for claim in claims.glob("[a-z]*") if claim.name != twin]
        standing = sum(int(claim.read_text()) for claim in others if (places.run() / claim.name).is_dir())
        if standing + total > int(_LIMIT.read_text()) or inotify_left(new) < new:
            return False
        (claims / twin).write_text(str(total))
        return True


def leave_room(twin: str) -> None:
    """Give back what a twin claimed; the hosts are gone."""
    (places.run() / "_room" / twin).unlink(missing_ok=True)


def _refusal(hosts: int) -> TrunklineError:
    limit = int(_LIMIT.read_text())
    return TrunklineError(
        f"The machine has too few of its {limit} inotify instances left for {hosts} more hosts, which need "
        f"{hosts * INOTIFY_OF_HOST}.",
        f"Take another twin down, or raise it: sysctl -w fs.inotify.max_user_instances={8 * limit}",
    )


def _require_disk(hosts: int, home: Path) -> None:
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
