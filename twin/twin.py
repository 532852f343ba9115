"""A twin: an environment as real Debian hosts in network namespaces on this machine.

Its state is on disk (`<home>/twins/<name>`, `<run>/<name>`), so that every process that names it sees the same twin.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from control import places
from control.errors import TrunklineError
from inventories.model import Environment, Host
from twin import inside, network
from twin.archive import archive
from twin.boot import Boot
from twin.cgroup import Cgroup
from twin.daemon import Daemon
from twin.disk import Disk, frozen
from twin.enter import enter_argv, refuse_inside
from twin.identity import controller_key, pin_host_keys
from twin.image import image
from twin.layout import Layout, layout_of
from twin.packages import require
from twin.provider import SUBSTITUTIONS, Substitution
from twin.proxy import Proxy
from twin.result import Forward, HostStatus, Result, TwinStatus
from twin.supervisor import HostState, cgroup_of, state_of
from twin.world import World

Progress = Callable[[str], None]


class Twin:
    """One twin of one environment, by its name."""

    def __init__(self, environment: Environment, name: str | None = None) -> None:
        self.environment = environment
        self.name = name or places.instance_of(environment.name, in_twin=True)
        self.layout: Layout = layout_of(environment, self.name)
        self.home = places.twin_of(self.name)
        self.directory = places.run() / self.name

    # -- up and down -------------------------------------------------------------------------------------------

    def up(self, progress: Progress = lambda _: None) -> None:
        """Bring everything up that is not; disks that exist are used again."""
        require()
        refuse_inside()
        with self._locked():
            self.directory.mkdir(parents=True, exist_ok=True)
            source = archive()
            port = Proxy().take(self.name, source)
            self._make_disks(port, progress)
            pin_host_keys(self.name, self.environment, self._disks.values())
            (self.directory / "layout.json").write_text(self.layout.to_json())
            self.world.start(self.environment, port)
            self._boot(progress)

    def down(self) -> None:
        """Shut everything down; only the disks and snapshots stay."""
        refuse_inside()
        with self._locked():
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda s: s.stop(wait=30), self._supervisors()))
            self._sweep()

    def erase(self) -> None:
        """Take everything away at once, with disks and snapshots."""
        refuse_inside()
        with self._locked():
            self._sweep()
            shutil.rmtree(self.home, ignore_errors=True)

    def _sweep(self) -> None:
        """End and remove whatever carries the twin's name, however it came to be."""
        group = Cgroup(f"trunkline.{self.name}")
        if not group.kill(20):
            raise TrunklineError(f"Processes of the twin {self.name} do not end: {[*group.processes()]}.")
        group.remove()
        for name in network.namespaces_of(self.name):
            network.delete(name)
        network.forget_if_empty()
        for left in Path("/run/systemd/nspawn/propagate").glob(f"{self.name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        Proxy().leave(self.name)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- hosts -------------------------------------------------------------------------------------------------

    def reboot(self, host: str, wait: float = 60) -> None:
        """Reboot a host as `systemctl reboot` does, and wait until it is back."""
        before = self.state(host).boots
        self.run(host, "systemctl reboot")
        self._await_ready([host], wait, after=before)

    def is_up(self, host: str) -> bool:
        """Say whether a host has booted and lives."""
        return self.state(host).ready

    def state(self, host: str) -> HostState:
        """Return what a host's keeper says of it."""
        self.environment.host(host)
        return state_of(self._place(host))

    def run(self, host: str, script: str, input: str | bytes | None = None, timeout: float = 60) -> Result:
        """Run a shell script inside a host as root, without SSH."""
        return inside.run_inside(self._argv_inside(host, "/bin/sh", "-c", script), input, timeout)

    def write(self, host: str, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Write a file inside a host, as the host sees the path."""
        done = self.run(host, inside.writing(path, mode), data)
        if done.returncode:
            raise TrunklineError(f"{path} could not be written in {host}: {done.stderr.strip()}")

    def spawn(self, node: str, argv: list[str], **popen: Any) -> subprocess.Popen[Any]:
        """Start a program of the machine in the network of a host, "stranger" or "controller"."""
        return subprocess.Popen([*enter_argv(self.name, node), *argv], **popen)

    def shell_argv(self, node: str) -> list[str]:
        """Return the argv of a shell in a host, or in the network of "stranger" or "controller"."""
        if node in {host.name for host in self.environment.hosts}:
            return self._argv_inside(node, "TERM=xterm-256color", "/bin/bash", "-l")
        return [*enter_argv(self.name, node), "/bin/bash"]

    # -- faults ------------------------------------------------------------------------------------------------

    def ntp_offset(self, seconds: float) -> None:
        """Let the time server be off by so many seconds; 0 is the truth."""
        temporary = self.world.offset_file.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.rename(self.world.offset_file)

    def cut(self, host: str) -> None:
        """Pull a host's network cable."""
        network.set_cable(self.layout, host, up=False)

    def mend(self, host: str) -> None:
        """Put a host's network cable back."""
        network.set_cable(self.layout, host, up=True)

    # -- snapshots ---------------------------------------------------------------------------------------------

    def snapshot(self, label: str) -> None:
        """Keep the disks of all hosts under a label, while they run."""
        with self._locked():
            target = self._snapshot(label)
            new = target.with_name(f".{label}.new")
            shutil.rmtree(new, ignore_errors=True)
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda disk: self._copy(disk, new), self._disks.values()))
            shutil.rmtree(target, ignore_errors=True)
            new.rename(target)

    def restore(self, label: str) -> None:
        """Put the disks of a label back and boot all hosts from them."""
        refuse_inside()
        with self._locked():
            source = self._snapshot(label)
            if not source.is_dir():
                raise TrunklineError(
                    f"The twin {self.name} has no snapshot {label}.",
                    f"It has: {', '.join(self.snapshots()) or 'none'}.",
                )
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda disk: self._put_back(disk, source), self._disks.values()))
            self.ntp_offset(0)
            self._boot(lambda _: None)

    def snapshots(self) -> tuple[str, ...]:
        """Return the labels that exist."""
        return tuple(sorted(p.name for p in (self.home / "snapshots").glob("[!.]*")))

    # -- looking -----------------------------------------------------------------------------------------------

    @property
    def forwards(self) -> list[Forward]:
        """The loopback ports that lead into the twin now."""
        return self.world.forwards(self.environment)

    def substitutions(self) -> tuple[Substitution, ...]:
        """Return what is not as in production."""
        return SUBSTITUTIONS

    def status(self) -> TwinStatus:
        """Return how everything is."""
        hosts = tuple(self._status(host) for host in self.environment.hosts)
        up = all(host.phase == "ready" for host in hosts)
        try:
            offset = float(self.world.offset_file.read_text())
        except (OSError, ValueError):
            offset = 0.0
        forwards = tuple(self.forwards)
        return TwinStatus(self.name, self.environment.name, up, hosts, forwards, self.snapshots(), offset)

    def _status(self, host: Host) -> HostStatus:
        disk, state = self._disks[host.name], self.state(host.name)
        phase = state.phase if state.alive or state.phase != "ready" else "off"
        taken = disk.file.stat().st_blocks * 512 >> 20 if disk.exists() else 0
        addresses = self.layout.wire(host.name).addresses
        return HostStatus(
            host.name, host.os, phase if disk.exists() else "absent", addresses, state.boots, taken, state.problem
        )

    # -- parts -------------------------------------------------------------------------------------------------

    @cached_property
    def world(self) -> World:
        """What answers in this twin."""
        return World(self.layout, self.directory)

    @cached_property
    def _disks(self) -> dict[str, Disk]:
        return {host.name: Disk(self.name, host.name) for host in self.environment.hosts}

    def _place(self, host: str) -> Path:
        return self.directory / "hosts" / host

    def _supervisor(self, host: str) -> Daemon:
        return Daemon(self._place(host), "supervisor")

    def _supervisors(self) -> list[Daemon]:
        return [Daemon(path, "supervisor") for path in (self.directory / "hosts").glob("*")]

    def _snapshot(self, label: str) -> Path:
        if not label or "/" in label or label.startswith("."):
            raise TrunklineError(f"{label!r} is no name for a snapshot.", "Take a word without / and leading dot.")
        return self.home / "snapshots" / label

    def _argv_inside(self, host: str, *argv: str) -> list[str]:
        return inside.argv_inside(self.name, host, self._alive(host), *argv)

    def _alive(self, host: str) -> HostState:
        state = self.state(host)
        if not state.alive:
            raise TrunklineError(
                f"{host} of the twin {self.name} is not running ({state.phase}).", "Bring it up: invoke twin.up"
            )
        return state

    def _make_disks(self, proxy_port: int, progress: Progress) -> None:
        key, source = controller_key(self.name), archive()
        absent = [host for host in self.environment.hosts if not self._disks[host.name].exists()]
        releases = {host.os: host.release for host in absent}
        with ThreadPoolExecutor() as pool:
            made = pool.map(lambda release: image(release, source, proxy_port, progress), releases.values())
            images = dict(zip(releases, made, strict=True))
            list(pool.map(lambda host: self._make_disk(host, images[host.os], key, progress), absent))

    def _make_disk(self, host: Host, base: Path, key: str, progress: Progress) -> None:
        progress(f"making the disk of {host.name}")
        self._disks[host.name].make(base, self.environment.domain, host.disk_mb, key)

    def _boot(self, progress: Progress) -> None:
        waiting = []
        for host in self.environment.hosts:
            if self._supervisor(host.name).alive():
                waiting.append(host.name)
                continue
            progress(f"booting {host.name}")
            place, disk = self._place(host.name), self._disks[host.name]
            place.mkdir(parents=True, exist_ok=True)
            (place / "state.json").unlink(missing_ok=True)
            boot = Boot(self.name, host.name, disk.file, disk.image, place, "docker" in host.services)
            (place / "boot.json").write_text(json.dumps(asdict(boot), default=str))
            argv = [sys.executable, "-m", "twin.supervisor", str(place)]
            self._supervisor(host.name).start(argv, Cgroup(cgroup_of(self.name)))
            waiting.append(host.name)
        self._await_ready(waiting, 90)

    def _await_ready(self, hosts: list[str], wait: float, after: int = 0) -> None:
        end = time.monotonic() + wait
        for host in hosts:
            while not ((state := self.state(host)).ready and state.boots > after):
                if not self._supervisor(host).alive() or time.monotonic() > end:
                    raise TrunklineError(
                        f"{host} of the twin {self.name} did not come up ({state.phase}). {state.problem}".strip(),
                        f"Read {self._supervisor(host).log} for what it said.",
                    )
                time.sleep(0.02)

    def _copy(self, disk: Disk, target: Path) -> None:
        state, place = self.state(disk.host), self._place(disk.host)
        mounted = Path(f"/proc/{state.nspawn}/root{place / 'disk'}")
        with frozen(mounted) if state.alive else nullcontext():
            disk.copy_to(target / f"{disk.host}.img")

    def _put_back(self, disk: Disk, source: Path) -> None:
        self._supervisor(disk.host).stop(wait=0, number=signal.SIGKILL)
        group = Cgroup(cgroup_of(self.name, disk.host))
        group.kill()
        group.remove()
        disk.copy_from(source / f"{disk.host}.img")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time; another command waits."""
        places.run().mkdir(parents=True, exist_ok=True)
        with (places.run() / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
