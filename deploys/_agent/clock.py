"""Time that a wrong or jumping wall clock cannot bend: CLOCK_BOOTTIME (clock_gettime(2)) with the boot it
belongs to."""

from __future__ import annotations

import os
import time


def boot_id() -> str:
    """The kernel's name of this boot, random(4); systemd-nspawn gives each boot of a container its own."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def boottime() -> float:
    """Seconds of CLOCK_BOOTTIME; only comparable within one boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_start(pid: int) -> float:
    """CLOCK_BOOTTIME at which a process began, seconds (proc_pid_stat(5), field 22)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def uptime() -> float:
    """Seconds since this host booted: since its PID 1 began, which is also true in a container."""
    return boottime() - process_start(1)


def stamp(when: float | None = None) -> str:
    """Wall clock time as ISO 8601 in UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
