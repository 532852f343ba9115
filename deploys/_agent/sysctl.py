"""Run-time kernel settings, read and written in /proc/sys (proc_sys(5))."""

from __future__ import annotations

import glob
import os

from .places import on_disk

_HOME = "/proc/sys"


def remember(patterns: list[str]) -> dict[str, str]:
    """The present values of the keys the patterns name, by their path below /proc/sys; unreadable ones are
    left out."""
    values: dict[str, str] = {}
    for pattern in patterns:
        for place in sorted(glob.glob(on_disk(f"{_HOME}/{key_path(pattern)}"))):
            value = _read(place)
            if value is not None:
                values[os.path.relpath(place, on_disk(_HOME))] = value
    return values


def give_back(values: dict[str, str]) -> tuple[list[str], list[str]]:
    """Write the values that differ: (restored, problems)."""
    restored: list[str] = []
    problems: list[str] = []
    for key in sorted(values, key=_order):
        place = on_disk(f"{_HOME}/{key}")
        live = _read(place)
        if live is None or live == values[key]:
            continue
        try:
            with open(place, "w", encoding="ascii") as file:
                file.write(values[key])
            restored.append(f"sysctl {key.replace('/', '.')}")
        except OSError as error:
            problems.append(f"sysctl {key.replace('/', '.')} was not restored: {error.strerror}")
    return restored, problems


def key_path(key: str) -> str:
    """A key's path below /proc/sys: sysctl(8) swaps `.` and `/` when a dot comes first
    (net.ipv4.conf.eth0/5.mtu)."""
    first = next((sign for sign in key if sign in "./"), ".")
    return key if first == "/" else key.translate(str.maketrans("./", "/."))


def _order(key: str) -> tuple[int, str]:
    # Writing ip_forward or forwarding resets other keys of the same interface (ip-sysctl.rst), so these
    # come first.
    if key.endswith(("/ip_forward", "/forwarding")):
        return 0, key
    return (1 if "/all/" in key or "/default/" in key else 2), key


def _read(place: str) -> str | None:
    try:
        with open(place, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None
