"""Control groups of the twin: each process of a host is in its host's group, so one write ends them all.

`cgroup.kill`: kernel documentation, admin-guide/cgroup-v2. systemd also wants a group of its own in the v1
hierarchy `name=systemd`, where a machine has one.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from control import places
from control.errors import TrunklineError


@cache
def hierarchies() -> tuple[Path, ...]:
    """Return where cgroup v2 is mounted, and v1's `name=systemd` where it exists."""
    v2: dict[Path, None] = {}
    v1: dict[Path, None] = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            v2[Path(place)] = None
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            v1[Path(place)] = None
    if not v2:
        raise TrunklineError(
            "This machine has no cgroup v2 mounted.", "mount -t cgroup2 none /sys/fs/cgroup/unified"
        )
    return (*list(v2)[:1], *list(v1)[:1])


def cgroup_of(twin: str, host: str | None = None, cell: str | None = None) -> str:
    """Return the path of the control group of a twin's daemons, of one host, or of one cell."""
    below = f"host.{host}" if host else f"cell.{cell}" if cell else "daemons"
    return f"trunkline.{mark(twin)}/{below}"


def whole(twin: str) -> Cgroup:
    """Return the group of everything of a twin."""
    return Cgroup(str(Path(cgroup_of(twin)).parent))


def mark(twin: str) -> str:
    """Return the name by which the whole machine knows a twin: another TRUNKLINE_RUN has other twins."""
    if places.run() == Path("/run/trunkline"):
        return twin
    return f"{twin}+{hashlib.sha256(bytes(places.run())).hexdigest()[:6]}"


class Cgroup:
    """One group, by its path below each hierarchy's root: `trunkline.lab/edge1`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.directories = tuple(root / path for root in hierarchies())

    def create(self) -> None:
        """Make the group where it is not there yet."""
        for directory in self.directories:
            directory.mkdir(parents=True, exist_ok=True)

    def prefix(self) -> list[str]:
        """Return an argv prefix that moves the program that follows into the group before it starts."""
        files = [str(directory / "cgroup.procs") for directory in self.directories]
        script = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'
        return ["/bin/sh", "-c", script, "sh", *files, "--"]

    def processes(self) -> Iterator[int]:
        """Yield the pids of the group and of the groups below it."""
        for directory in self.directories[:1]:
            for below, _, _ in os.walk(directory):
                with suppress(OSError):
                    pids = Path(below, "cgroup.procs").read_text().split()
                    yield from (int(pid) for pid in pids if pid != "0")

    def exists(self) -> bool:
        """Say whether anything of the group is left."""
        return any(directory.exists() for directory in self.directories)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold every process of the group still while the block runs."""
        try:
            self._freeze(True)
            yield
        finally:
            self.thaw()

    def thaw(self) -> None:
        """Let the processes go on, also where a command was killed that held them still."""
        self._freeze(False)

    def _freeze(self, still: bool) -> None:
        wanted = f"frozen {int(still)}"
        for directory in self.directories[:1]:
            (directory / "cgroup.freeze").write_text(str(int(still)))
            end = time.monotonic() + 10
            while wanted not in (directory / "cgroup.events").read_text():
                if time.monotonic() > end:
                    raise TrunklineError(f"The group {self.path} does not come to {wanted!r}.")
                time.sleep(0.001)

    def kill(self, wait: float = 10) -> bool:
        """Kill every process of the group and wait `wait` seconds; say whether it is empty."""
        end = time.monotonic() + wait
        while True:
            for directory in self.directories[:1]:
                with suppress(OSError):
                    (directory / "cgroup.kill").write_text("1")
            left = list(self.processes())
            if not left:
                return True
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                return False
            time.sleep(0.01)

    def remove(self) -> None:
        """Remove the empty group, deepest first; what is not empty stays."""
        for directory in self.directories:
            for below, _, _ in os.walk(directory, topdown=False):
                _rmdir(Path(below))


def _rmdir(directory: Path) -> None:
    for _ in range(50):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)  # a killed process leaves its group a moment after it is gone
        else:
            return
