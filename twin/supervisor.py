"""Keeps one host running: boots it, gives it a fresh network at each reboot, says in a file how it is.

Run as `python -m twin.supervisor DIRECTORY` with the host's `boot.json` and the twin's `layout.json` there.
SIGTERM is an orderly shutdown.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from control.errors import TrunklineError
from twin import network
from twin.boot import Boot
from twin.cgroup import Cgroup, cgroup_of
from twin.daemon import started
from twin.disk import Disk
from twin.layout import Layout

Phase = Literal["ready", "booting", "rebooting", "off"]
REBOOT = 133
"""What systemd-nspawn ends with when its host wants to be booted again."""


@dataclass(frozen=True)
class HostState:
    """How a host is: `phase` is booting, ready, rebooting or off."""

    phase: Phase = "off"
    boots: int = 0
    leader: int = 0
    """The host's PID 1, as the machine counts."""
    leader_started: int | None = None
    nspawn: int = 0
    since: float = 0
    problem: str = ""

    @property
    def alive(self) -> bool:
        """Whether the host's PID 1 is there."""
        return bool(self.leader) and started(self.leader) == self.leader_started

    @property
    def ready(self) -> bool:
        """Whether the host has finished its boot."""
        return self.phase == "ready" and self.alive


def state_of(directory: Path) -> HostState:
    """Read a host's state; a host that never was is off."""
    try:
        return HostState(**json.loads((directory / "state.json").read_text()))
    except (OSError, ValueError):
        return HostState()


class Supervisor:
    """One host's keeper."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.boot = Boot.from_json((directory / "boot.json").read_text())
        self.cgroup = Cgroup(cgroup_of(self.boot.twin, self.boot.host))
        self.state = HostState()
        self.nspawn: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def run(self) -> None:
        """Boot until the host is shut down."""
        signal.signal(signal.SIGTERM, self._stop)
        try:
            while (code := self._once()) == REBOOT and not self.stopping:
                self._tell("rebooting")
            problem = "" if code == 0 or self.stopping else f"systemd-nspawn ended with {code}"
        except TrunklineError as error:
            problem = error.message
        self._tell("off", leader=0, problem=problem)

    def _once(self) -> int:
        """One boot, until its end; nothing of the host is left afterwards."""
        layout = Layout.from_json((self.directory.parent.parent / "layout.json").read_text())
        network.attach(layout, self.boot.host)
        Disk(self.boot.twin, self.boot.host).detached()
        self.cgroup.create()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            address = self.directory / "notify"
            address.unlink(missing_ok=True)
            notices.bind(str(address))
            self._tell("booting", boots=self.state.boots + 1, leader=0)
            if self.stopping:
                return 0
            argv = [*self.cgroup.prefix(), *self.boot.argv()]
            self.nspawn = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=self.boot.environment)
            if self.stopping:
                self.nspawn.terminate()
            code = self._attend(notices, self.nspawn)
        self.cgroup.kill()
        self.cgroup.remove()
        return code

    def _attend(self, notices: socket.socket, process: subprocess.Popen[bytes]) -> int:
        end = os.pidfd_open(process.pid)
        try:
            while True:
                readable, _, _ = select.select([notices.fileno(), end], [], [])
                if notices.fileno() in readable:
                    self._hear(notices.recv(4096).decode(errors="replace"))
                if end in readable:
                    return process.wait()
        finally:
            os.close(end)

    def _hear(self, notice: str) -> None:
        said = dict(line.partition("=")[::2] for line in notice.splitlines())
        if "X_NSPAWN_LEADER_PID" in said:
            leader = int(said["X_NSPAWN_LEADER_PID"])
            self._tell(self.state.phase, leader=leader, leader_started=started(leader))
        if said.get("READY") == "1" and not self.stopping:
            self._tell("ready")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        if self.nspawn and self.nspawn.returncode is None:
            self.nspawn.terminate()

    def _tell(self, phase: Phase, **changed: object) -> None:
        nspawn = self.nspawn.pid if self.nspawn else 0
        now = {"phase": phase, "nspawn": nspawn, "since": time.time()}
        self.state = HostState(**{**asdict(self.state), **now, **changed})
        temporary = self.directory / "state.new"
        temporary.write_text(json.dumps(asdict(self.state)))
        temporary.rename(self.directory / "state.json")


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
