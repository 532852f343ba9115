"""A host's keeper, seen from outside: its supervisor, what that says of the host, and the host's disk."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from control import places
from control.errors import TrunklineError
from inventories.model import Host
from twin.boot import Boot
from twin.cgroup import Cgroup, cgroup_of
from twin.daemon import Daemon
from twin.disk import Disk, frozen, go_down, thaw
from twin.inside import argv_inside
from twin.result import HostStatus
from twin.supervisor import HostState, state_of


class Keeper:
    """One host of one twin."""

    def __init__(self, twin: str, host: Host) -> None:
        self.twin = twin
        self.host = host
        self.directory = places.run() / twin / "hosts" / host.name
        self.supervisor = Daemon(self.directory, "supervisor")
        self.disk = Disk(twin, host.name)
        self.cgroup = Cgroup(cgroup_of(twin, host.name))
        self._started = False

    @property
    def state(self) -> HostState:
        """What the supervisor says of the host."""
        return state_of(self.directory)

    @property
    def phase(self) -> Literal["ready", "booting", "rebooting", "off", "absent"]:
        """The host's phase in one word; a host whose keeper was killed is off."""
        if not self.disk.exists():
            return "absent"
        state = self.state
        return state.phase if self.supervisor.alive() and (state.alive or state.phase != "ready") else "off"

    def status(self, addresses: tuple[str, ...]) -> HostStatus:
        """Return how the host is, with the addresses that it has."""
        its, state = self.host, self.state
        return HostStatus(
            its.name, its.os, self.phase, addresses, state.boots, self.disk.taken_mb, state.problem
        )

    def alive(self) -> HostState:
        """Return the state of a running host; TrunklineError when it is not running."""
        state = self.state
        if not state.alive:
            raise TrunklineError(
                f"{self.host.name} of the twin {self.twin} is not running ({self.phase}).",
                f"Bring it up: `invoke twin.up --twin {self.twin}`.",
            )
        return state

    def start(self) -> bool:
        """Start the host where it does not run; say whether it was started. `wait` waits for it."""
        self._started = not self.supervisor.alive()
        if not self._started:
            self._thaw()
            return False
        self.kill()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "state.json").unlink(missing_ok=True)
        docker = "docker" in self.host.services
        boot = Boot(self.twin, self.host.name, self.disk.file, self.disk.image, self.directory, docker)
        (self.directory / "boot.json").write_text(json.dumps(asdict(boot), default=str))
        argv = [sys.executable, "-m", "twin.supervisor", str(self.directory)]
        self.supervisor.start(argv, Cgroup(cgroup_of(self.twin)))
        return True

    def settle(self, seconds: float) -> None:
        """Wait until the host is up; one that was ending when it was to start is started after its end."""
        end = time.monotonic() + seconds
        while self.supervisor.alive() and not self.state.ready and time.monotonic() < end:
            time.sleep(0.02)
        if not self._started and not self.supervisor.alive():
            self.start()
        self.wait(end - time.monotonic())

    def wait(self, seconds: float, after: int = 0) -> None:
        """Wait until the host has finished a boot later than the one numbered `after`."""
        end = time.monotonic() + seconds
        while not ((state := self.state).ready and state.boots > after):
            if not self.supervisor.alive() or time.monotonic() > end:
                raise TrunklineError(
                    f"{self.host.name} of the twin {self.twin} did not come up ({state.phase}): "
                    f"{state.problem or 'it says nothing'}.",
                    f"Read {self.supervisor.log} for what its boot printed.",
                )
            time.sleep(0.02)

    def shut_down(self) -> None:
        """Shut the host down in order; after 30 s by force."""
        self._thaw()
        self.supervisor.stop(wait=30)

    def kill(self) -> None:
        """End the host at once."""
        self._thaw()
        self.supervisor.stop(wait=0, number=signal.SIGKILL)
        self.cgroup.kill()
        self.cgroup.remove()

    def cut_power(self) -> None:
        """End the host at once; what it has not synced to its disk is lost, as on real hardware."""
        if self.state.alive:
            go_down(self.mounted)
        self.kill()

    def _thaw(self) -> None:
        if self.state.alive:
            thaw(self.mounted)

    @property
    def mounted(self) -> Path:
        """The disk's mount point, seen through the running host's own mount namespace."""
        return Path(f"/proc/{self.state.nspawn}/root{self.directory / 'disk'}")

    def argv_inside(self, *argv: str) -> list[str]:
        """Return the argv that runs a program inside the host."""
        return argv_inside(self.cgroup, self.alive(), *argv)

    def copy_disk(self, directory: Path) -> None:
        """Copy the disk into a directory; a running host stands still for that long."""
        with frozen(self.mounted) if self.state.alive else nullcontext():
            self.disk.copy_to(directory / f"{self.host.name}.img")

    def put_disk_back(self, directory: Path) -> None:
        """Cut the host's power and give it the disk of a copy."""
        self.kill()
        self.disk.copy_from(directory / f"{self.host.name}.img")
