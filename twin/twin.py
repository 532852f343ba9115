"""A twin: an environment as real Debian hosts in network namespaces on this machine.

Its state is on disk (`<home>/twins/<name>`, `<run>/<name>`): every process that names it sees the same twin.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from control import places
from control.errors import TrunklineError
from inventories.model import Environment
from twin import between, inside, network
from twin.accounts import remember_accounts
from twin.archive import archive
from twin.carriers import carrier_nodes, has_telephony
from twin.cgroup import whole
from twin.disk import make_loop_nodes
from twin.disks import make_disks
from twin.enter import enter_argv, refuse_inside
from twin.gateway import Gateway
from twin.identity import forget_host_keys, pin_host_keys
from twin.images import baked_of
from twin.keeper import Keeper
from twin.layout import layout_of
from twin.lock import locked
from twin.offices import private_nodes
from twin.outside import uses
from twin.packages import require
from twin.provider import Substitution, substitutions
from twin.proxy import Proxy
from twin.registry import Registry
from twin.result import Forward, Result, TwinStatus
from twin.room import leave_room, require_room
from twin.snapshots import Snapshots
from twin.softswitch import Softswitch
from twin.supervisor import HostState
from twin.world import ACME_ROOT, World
from twin.world_image import TELEPHONY, image_of, note, telephony_image, world_image

Progress = Callable[[str], None]
T = TypeVar("T")


class Twin:
    """One twin of one environment, by its name."""

    def __init__(self, environment: Environment, name: str | None = None) -> None:
        self.environment = environment
        self.name = name or places.instance_of(environment.name, in_twin=True)
        self.layout = layout_of(environment, self.name)
        self.home = places.twin_of(self.name)
        self.directory = places.run() / self.name
        self.keepers = {host.name: Keeper(self.name, host) for host in environment.hosts}
        self.world = World(environment, self.layout, self.directory)
        self._snapshots = Snapshots(
            self.name, self.home / "snapshots", self.keepers.values(), self.world.databases
        )

    def up(self, progress: Progress = lambda _: None) -> None:
        """Bring up what is not up, and wait until all hosts have booted; disks that exist are used again."""
        require()
        refuse_inside()
        with self._locked():
            self._bring_up(progress)

    def down(self) -> None:
        """Shut everything down; only the disks and snapshots stay."""
        refuse_inside()
        with self._locked(last=True):
            with ThreadPoolExecutor() as pool:
                list(pool.map(Keeper.shut_down, self.keepers.values()))
            self._sweep()

    def erase(self) -> None:
        """Take everything away at once, with disks and snapshots."""
        refuse_inside()
        with self._locked(last=True):
            self._sweep()
            shutil.rmtree(self.home, ignore_errors=True)
            forget_host_keys(self.name)

    def reboot(self, host: str, wait: float = 180) -> None:
        """Reboot a host in order and wait until it is back, `wait` seconds at most."""
        before = self.state(host).boots
        self.run(host, "systemctl reboot")
        self._keeper(host).wait(wait, after=before)

    def power_off(self, host: str) -> None:
        """Shut one host down in order; it stays off until `power_on` or `up`."""
        self._keeper(host).shut_down()

    def power_cut(self, host: str) -> None:
        """Cut one host's power: it ends in the middle of its work and loses what it has not synced."""
        self._keeper(host).cut_power()

    def power_on(self, host: str, wait: float = 90) -> None:
        """Boot one host that is off and wait until it is up, `wait` seconds at most."""
        refuse_inside()
        self._refuse_down()
        self._keeper(host).start()
        self._keeper(host).settle(wait)

    def is_up(self, host: str) -> bool:
        """Say whether a host has booted and lives."""
        return self.state(host).ready

    def state(self, host: str) -> HostState:
        """Return what a host's supervisor says of it: phase, number of boots, pid of its PID 1."""
        return self._keeper(host).state

    def run(self, host: str, script: str, input: str | bytes | None = None, timeout: float = 60) -> Result:
        """Run a shell script inside a host as root, without SSH. TrunklineError after `timeout` seconds."""
        return inside.run_inside(self._keeper(host).argv_inside("/bin/sh", "-c", script), input, timeout)

    def write(self, host: str, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Write a file inside a host, as the host sees the path."""
        done = self.run(host, inside.writing(path, mode), data)
        if done.returncode:
            raise TrunklineError(f"{path} could not be written in {host}: {done.stderr.strip()}")

    def spawn(self, node: str, argv: list[str], **popen: Any) -> subprocess.Popen[Any]:
        """Start a program of the machine in the network of a host or of another node."""
        return subprocess.Popen([*enter_argv(self.name, node), *argv], **popen)

    def shell_argv(self, node: str) -> list[str]:
        """Return the argv of a shell in a host, or in the network of another node."""
        if node in self.keepers:
            return self.keepers[node].argv_inside("TERM=xterm-256color", "/bin/bash", "-l")
        return [*enter_argv(self.name, node), "/bin/bash"]

    def ntp_offset(self, seconds: float) -> None:
        """Let the time server be off by so many seconds; 0 is the truth."""
        self._refuse_down()
        self.world.offset = seconds

    def dns(self, name: str, address: str | None) -> None:
        """Let a name lead to another address; None: to where the environment says, again."""
        self._refuse_down()
        self.world.names.put(name, address)

    def database_tls(self, name: str, only: bool) -> None:
        """Let a managed PostgreSQL take TLS only, as it should, or connections in clear as well."""
        self._refuse_down()
        self.world.databases.tls(name, only=only)

    def acme_root(self) -> Path:
        """Return the PEM file of the root that certificates issued in this twin lead to."""
        return self.directory / ACME_ROOT

    @property
    def registry(self) -> Registry:
        """The image registry: how to reach it, and by which authority."""
        return self.world.registry

    def office(self, name: str) -> Gateway:
        """Return an office that a tunnel leads to, by its name: mostly the peer's."""
        return self._outside("office", self.world.gateways.all, name)

    def carrier(self, name: str) -> Softswitch:
        """Return a carrier that a trunk leads to, by its name: mostly the trunk's."""
        return self._outside("carrier", self.world.softswitches.all, name)

    def _outside(self, kind: str, known: Mapping[str, T], name: str) -> T:
        if name not in known:
            raise TrunklineError(
                f"{self.environment.name} has no {kind} {name}.", f"It has: {', '.join(known) or 'none'}."
            )
        return known[name]

    def cut(self, node: str) -> None:
        """Pull the network cable of a host, or of an office's or a carrier's node."""
        network.set_cable(self.layout, self._node(node), up=False)

    def mend(self, node: str) -> None:
        """Put the network cable back."""
        network.set_cable(self.layout, self._node(node), up=True)

    def lose(self, node: str, percent: int) -> None:
        """Let so many of a hundred packets get lost on a node's cable, both ways, until a restore or 0."""
        image, lines = image_of(self.name), between.loss(percent)
        between.on_cable(image, self.layout, self._node(node), "loss", lines)

    def snapshot(self, label: str) -> None:
        """Keep the disks of all hosts under a label, while they run."""
        with self._locked():
            self._snapshots.take(label)

    def restore(self, label: str, *hosts: str) -> None:
        """Boot all hosts, or these and their offices, from a label; cables, time, names are truthful."""
        require()
        refuse_inside()
        with self._locked():
            self._snapshots.put_back(label, {self._keeper(host).host.name for host in hosts})
            if self.world.whole():
                self.world.renew(*hosts)
            self._bring_up(lambda _: None)
            self.world.offset = 0
            self.world.names.forget()

    def snapshots(self) -> tuple[str, ...]:
        """Return the labels that exist."""
        return self._snapshots.labels()

    @property
    def forwards(self) -> list[Forward]:
        """The loopback ports that lead into the twin now."""
        return self.world.forwards()

    def substitutions(self) -> tuple[Substitution, ...]:
        """Return what is not as in production."""
        return substitutions(self.environment)

    def status(self) -> TwinStatus:
        """Return how everything is."""
        wires = map(self.layout.wire, self.keepers)
        hosts = tuple(k.status(wire.addresses) for k, wire in zip(self.keepers.values(), wires, strict=True))
        up = all(host.phase == "ready" for host in hosts)
        forwards, offices = tuple(self.forwards), tuple(map(Gateway.status, self.world.gateways.all.values()))
        kept, offset = self.snapshots(), self.world.offset
        callers = tuple(each.status() for each in self.world.softswitches.all.values())
        name = self.environment.name
        return TwinStatus(self.name, name, up, hosts, forwards, kept, offset, offices, callers)

    def _refuse_down(self) -> None:
        if not self.world.whole():
            raise TrunklineError(
                f"The twin {self.name} is not up.", f"Bring it up: `invoke twin.up --twin {self.name}`."
            )

    def _node(self, name: str) -> str:
        others = (*private_nodes(self.environment), *carrier_nodes(self.environment))
        return name if name in others else self._keeper(name).host.name

    def _keeper(self, host: str) -> Keeper:
        if host not in self.keepers:
            raise TrunklineError(
                f"{self.environment.name} has no host {host}.", f"It has: {', '.join(self.keepers)}."
            )
        return self.keepers[host]

    def _bring_up(self, progress: Progress) -> None:
        # First time, another map, the machine was rebooted, or a command was killed.
        if not self.world.whole():
            self._sweep()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        new = sum(not keeper.supervisor.alive() for keeper in self.keepers.values())
        require_room(new, len(self.keepers), self.home, self.name)
        make_loop_nodes()
        source = archive()
        port = Proxy().take(self.name, source)
        with ThreadPoolExecutor() as pool:
            outside = pool.submit(world_image, source, port, progress) if uses(self.environment) else None
            phones = has_telephony(self.environment)
            calls = pool.submit(telephony_image, source, port, progress) if phones else None
            containers = pool.submit(baked_of, self.environment, source, port, progress)
            make_disks(self.environment, self.name, self.keepers.values(), source, port, progress)
            pin_host_keys(self.name, self.environment, [keeper.disk for keeper in self.keepers.values()])
            self.world.start(port)
            for keeper in self.keepers.values():
                if keeper.start():
                    progress(f"booting {keeper.host.name}")
        if outside:
            note(self.name, outside.result())
            if calls:
                note(self.name, calls.result(), TELEPHONY)
            self.world.start_servers(outside.result())
            self.world.fill_registry(containers.result(), progress)
        for keeper in self.keepers.values():
            keeper.settle(120)
        remember_accounts(self.world.acme.known(), self.keepers.values(), progress)

    def _sweep(self) -> None:
        """End and remove whatever carries the twin's name, however it came to be."""
        group = whole(self.name)
        if not group.kill(20):
            raise TrunklineError(f"Processes of the twin {self.name} do not end: {[*group.processes()]}.")
        group.remove()
        for name in network.namespaces_of(self.name):
            network.delete(name)
        network.forget_if_empty()
        Proxy().leave(self.name)
        shutil.rmtree(self.directory, ignore_errors=True)
        leave_room(self.name)

    def _locked(self, *, last: bool = False) -> AbstractContextManager[None]:
        """One change at a time; another command waits. After the `last` one nothing of the lock stays."""
        return locked(places.run() / f"{self.name}.lock", last=last)
