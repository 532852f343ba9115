"""What answers in a twin's world: names, time, packages, images, certificates, databases, and the ways in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from control import places
from inventories.model import Environment
from twin import between, network
from twin.acme import Acme
from twin.authority import Authority
from twin.carriers import carrier_nodes
from twin.cgroup import Cgroup, cgroup_of
from twin.daemon import Daemon
from twin.databases import Databases
from twin.gateway import Gateways
from twin.image import Progress
from twin.images import publish
from twin.images.recipes import Recipe
from twin.layout import CONTROLLER, NTP, PACKAGES, PACKAGES_PORT, STRANGER, WORLD, Layout
from twin.names import Names
from twin.offices import beside, private_nodes
from twin.outside import database_nodes, uses
from twin.provider import resolv_conf
from twin.registry import registry_cell, registry_of
from twin.result import Forward
from twin.softswitch import Softswitches
from twin.world_image import image_of

ACME_ROOT = "acme-root.pem"
"""What certificates issued in the twin lead to, among the twin's run-time files."""
FIRST_FORWARD = 2200
"""Loopback ports begin here: the ports of host n (from 0) at 2200 + 100 n + order."""


class World:
    """The services of one twin."""

    def __init__(self, environment: Environment, layout: Layout, directory: Path) -> None:
        self.environment = environment
        self.layout = layout
        self.directory = directory
        self.cgroup = Cgroup(cgroup_of(layout.twin))
        self.names = Names(layout, directory)
        self.acme = Acme(environment, layout.twin, directory)
        self.databases = Databases(environment, layout.twin, directory)
        self.gateways = Gateways(environment, layout, directory)
        self.softswitches = Softswitches(environment, layout, directory)
        self.registry = registry_of(environment, layout.twin)

    @property
    def offset(self) -> float:
        """By how many seconds the time server lies."""
        try:
            return float((self.directory / "ntp-offset").read_text())
        except (OSError, ValueError):
            return 0.0

    @offset.setter
    def offset(self, seconds: float) -> None:
        temporary = self.directory / "ntp-offset.new"
        temporary.write_text(str(seconds))
        temporary.rename(self.directory / "ntp-offset")

    def whole(self) -> bool:
        """Say whether the networks were made completely, from this very map, since the machine booted."""
        try:
            return (self.directory / "world.made").read_text() == self._made()
        except OSError:
            return False

    def _made(self) -> str:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text()}{self.layout.cables()}"

    def start(self, proxy_port: int) -> None:
        """Make the networks and start what answers in them; what runs already stays."""
        (self.directory / "layout.json").write_text(self.layout.to_json())
        (self.directory / ACME_ROOT).write_text(Authority(self.layout.twin).pem)
        (self.directory / "resolv.conf").write_text(resolv_conf(self.layout.domain))
        if not self.whole():
            network.make_world(self.layout)
            databases, private = database_nodes(self.environment), private_nodes(self.environment)
            for node in (
                CONTROLLER,
                STRANGER,
                *databases.values(),
                *private,
                *carrier_nodes(self.environment),
            ):
                network.attach(self.layout, node)
            (self.directory / "world.made").write_text(self._made())
        inside = ["nsenter", f"--net={network.path_of(self.layout.twin, WORLD)}", "--"]
        self.names.start(inside, self.cgroup)
        ready = self.directory / "ntp.ready"
        ntp = [
            sys.executable,
            "-m",
            "twin.ntp",
            ",".join(NTP),
            str(self.directory / "ntp-offset"),
            str(ready),
        ]
        self._daemon("ntp").start([*inside, *ntp], self.cgroup, ready)
        self._relay("packages", None, [self._packages(proxy_port)])
        into = str(network.path_of(self.layout.twin, CONTROLLER))
        self._relay("forwards", into, [_route(*wanted) for wanted in self._wanted()])

    def start_servers(self, image: Path) -> None:
        """Start what the environment asks outside, from the world image; what runs already stays."""
        with ThreadPoolExecutor() as pool:
            databases, gateways = pool.submit(self.databases.start), pool.submit(self.gateways.start)
            softswitches = pool.submit(self.softswitches.start)
            self._start_registry(image)
            self.acme.start(image)
        databases.result()
        gateways.result()
        softswitches.result()

    def renew(self, *hosts: str) -> None:
        """Lay the cables of all offices, carriers and private networks anew, and forget what was made wrong.

        Where hosts are named only the offices and carriers that they lead to.
        """
        if uses(self.environment):
            between.clear(image_of(self.layout.twin), self.layout)
        self.gateways.renew(*hosts)
        self.softswitches.renew(*hosts)
        for link in beside(self.environment):
            if link.addresses:
                network.attach(self.layout, link.node)

    def _start_registry(self, image: Path) -> None:
        if self.registry.names:
            data = places.twin_of(self.layout.twin) / "registry"
            registry = registry_cell(self.registry, image, self.directory / "registry", data)
            registry.start()
            registry.settle()

    def fill_registry(self, images: Mapping[Recipe, Path], progress: Progress) -> None:
        """Put images into the registry; what it was given since it was started is not looked at again."""
        held, wanted = self.directory / "images.held", "\n".join(sorted(map(str, images.values())))
        if not held.exists() or held.read_text() != wanted:
            publish(images, self.registry, progress)
            held.write_text(wanted)

    def forwards(self) -> list[Forward]:
        """Return the loopback ports that lead in now."""
        try:
            ports = json.loads((self.directory / "forwards.ready").read_text())
        except (OSError, ValueError):
            return []
        wanted = [forward for forward, _ in self._wanted()]
        return [replace(forward, port=port) for forward, port in zip(wanted, ports, strict=False)]

    def _daemon(self, name: str) -> Daemon:
        return Daemon(self.directory, name)

    def _relay(self, name: str, into: str | None, routes: list[dict[str, object]]) -> None:
        ready = self.directory / f"{name}.ready"
        specification = json.dumps({"ready": str(ready), "into": into, "routes": routes})
        argv = [sys.executable, "-m", "twin.relay", specification]
        self._daemon(name).start(argv, self.cgroup, ready)

    def _packages(self, proxy_port: int) -> dict[str, object]:
        world = str(network.path_of(self.layout.twin, WORLD))
        listen = {"namespace": world, "address": PACKAGES, "port": PACKAGES_PORT}
        return {**listen, "to_address": "127.0.0.1", "to_port": proxy_port}

    def _wanted(self) -> Iterator[tuple[Forward, str]]:
        """Yield a forward, with the address it leads to, for each TCP port that a host opens; SSH first."""
        for number, host in enumerate(self.environment.hosts):
            openings = host.openings(self.environment)
            single = {o.ports.first: o.why for o in openings if o.protocol == "tcp" and len(o.ports) == 1}
            for order, port in enumerate(sorted(single, key=lambda port: (port != host.ssh.port, port))):
                wanted = FIRST_FORWARD + 100 * number + order
                yield Forward("127.0.0.1", wanted, host.name, port, single[port]), str(host.address.ip)


def _route(forward: Forward, to: str) -> dict[str, object]:
    listen = {"namespace": None, "address": forward.address, "port": forward.port}
    return {**listen, "to_address": to, "to_port": forward.host_port}
