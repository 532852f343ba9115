"""Snapshots of a whole twin: the disks of all its hosts, and its databases, under one label."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from control.errors import TrunklineError
from twin.databases import Databases
from twin.keeper import Keeper

DATABASES = "databases"
_LABEL = re.compile(r"^[\w-][\w.-]{0,60}$")


class Snapshots:
    """The snapshots of one twin."""

    def __init__(self, twin: str, directory: Path, keepers: Collection[Keeper], databases: Databases) -> None:
        self.twin = twin
        self.directory = directory
        self.keepers = keepers
        self.databases = databases

    def labels(self) -> tuple[str, ...]:
        """Return the labels that exist."""
        return tuple(sorted(path.name for path in self.directory.glob("[!.]*")))

    def take(self, label: str) -> None:
        """Copy all disks at once; a label that exists is replaced when the copy is complete."""
        target = self._of(label)
        absent = [keeper.host.name for keeper in self.keepers if not keeper.disk.exists()]
        if absent:
            raise TrunklineError(
                f"The twin {self.twin} has no disk of {', '.join(absent)} yet.",
                "Bring it up first: `invoke twin.up`.",
            )
        for keeper in self.keepers:
            if keeper.supervisor.alive():
                keeper.settle(60)  # a disk that is just being mounted cannot be frozen
        new = self.directory / f".{label}.new"
        shutil.rmtree(new, ignore_errors=True)
        with ThreadPoolExecutor() as pool:
            kept = pool.submit(self.databases.keep, new / DATABASES)
            list(pool.map(lambda keeper: keeper.copy_disk(new), self.keepers))
            kept.result()
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)

    def put_back(self, label: str, hosts: Collection[str] = ()) -> None:
        """Give all hosts the disks of a label, or these alone without the databases; they are off then."""
        source = self._of(label)
        if not source.is_dir():
            known = f"It has: {', '.join(self.labels())}." if self.labels() else "It has none at all."
            raise TrunklineError(f"The twin {self.twin} has no snapshot {label}.", known)
        wanted = [keeper for keeper in self.keepers if not hosts or keeper.host.name in hosts]
        absent = [k.host.name for k in wanted if not (source / f"{k.host.name}.img").exists()]
        if absent:
            raise TrunklineError(
                f"The snapshot {label} has no disk of {', '.join(absent)}.", "Take a new one."
            )
        with ThreadPoolExecutor() as pool:
            back = None if hosts else pool.submit(self.databases.put_back, source / DATABASES)
            list(pool.map(lambda keeper: keeper.put_disk_back(source), wanted))
            if back:
                back.result()

    def _of(self, label: str) -> Path:
        if not _LABEL.match(label):
            raise TrunklineError(
                f"{label!r} is no label for a snapshot.",
                "Take letters, digits, _, - and dots; no dot at the start.",
            )
        return self.directory / label
