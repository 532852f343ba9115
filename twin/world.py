"""What answers in a twin's world: DNS, time, the way to packages, and the loopback ports that lead in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from inventories.model import Environment
from twin import network
from twin.cgroup import Cgroup
from twin.daemon import Daemon
from twin.layout import CONTROLLER, DNS, NTP, PACKAGES, PACKAGES_PORT, STRANGER, WORLD, Layout
from twin.provider import resolv_conf
from twin.result import Forward
from twin.supervisor import cgroup_of

FIRST_FORWARD = 2200
"""Loopback ports begin here: the ports of host n (from 0) at 2200 + 100 n + order."""


class World:
    """The services of one twin."""

    def __init__(self, layout: Layout, directory: Path) -> None:
        self.layout = layout
        self.directory = directory
        self.cgroup = Cgroup(cgroup_of(layout.twin))

    @property
    def offset_file(self) -> Path:
        """Holds by how many seconds the time server lies."""
        return self.directory / "ntp-offset"

    def start(self, environment: Environment, proxy_port: int) -> None:
        """Make the networks and start what answers in them; what runs already stays."""
        network.make_world(self.layout)
        for node in (CONTROLLER, STRANGER):
            if not network.path_of(self.layout.twin, node).exists():
                network.attach(self.layout, node)
        (self.directory / "resolv.conf").write_text(resolv_conf(self.layout.domain))
        inside = ["nsenter", f"--net={network.path_of(self.layout.twin, WORLD)}", "--"]
        self._daemon("dns").start([*inside, *self._dnsmasq()], self.cgroup, self.directory / "dns.pid")
        ready = self.directory / "ntp.ready"
        ntp = [sys.executable, "-m", "twin.ntp", NTP, str(self.offset_file), str(ready)]
        self._daemon("ntp").start([*inside, *ntp], self.cgroup, ready)
        self._relay("packages", None, [self._packages(proxy_port)])
        self._relay(
            "forwards",
            str(network.path_of(self.layout.twin, CONTROLLER)),
            [
                {"namespace": None, "address": f.address, "port": f.port, "to_address": to, "to_port": f.host_port}
                for f, to in self._wanted(environment)
            ],
        )

    def stop(self) -> None:
        """End every service."""
        for name in ("forwards", "packages", "ntp", "dns"):
            self._daemon(name).stop()

    def forwards(self, environment: Environment) -> list[Forward]:
        """Return the loopback ports that lead in now."""
        try:
            ports = json.loads((self.directory / "forwards.ready").read_text())
        except (OSError, ValueError):
            return []
        wanted = [forward for forward, _ in self._wanted(environment)]
        return [
            Forward(f.address, port, f.host, f.host_port, f.what) for f, port in zip(wanted, ports, strict=False)
        ]

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

    def _dnsmasq(self) -> list[str]:
        records = [f"--host-record={name},{','.join(found)}" for name, found in self.layout.names.items()]
        return [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll"),
            *(f"--listen-address={DNS}", "--bind-interfaces", f"--pid-file={self.directory / 'dns.pid'}"),
            *("--user=root", "--log-facility=-", "--address=/#/", *records),
        ]

    def _wanted(self, environment: Environment) -> Iterator[tuple[Forward, str]]:
        """Yield a forward, with the address it leads to, for each single TCP port that a host opens."""
        for number, host in enumerate(environment.hosts):
            seen: list[int] = []
            for opening in host.openings(environment):
                port = opening.ports.first
                if opening.protocol == "tcp" and len(opening.ports) == 1 and port not in seen:
                    wanted = FIRST_FORWARD + 100 * number + len(seen)
                    seen.append(port)
                    yield Forward("127.0.0.1", wanted, host.name, port, opening.why), str(host.address.ip)
