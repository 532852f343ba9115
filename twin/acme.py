"""The twin's ACME authority: pebble, behind a front that has the names of Let's Encrypt.

Pebble forgets every account when it ends; twin.accounts brings back those that hosts keep.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from inventories.model import Environment
from twin import network
from twin.authority import Authority
from twin.cell import Cell
from twin.cgroup import Cgroup, cgroup_of
from twin.daemon import Daemon
from twin.layout import ACME, DNS, WORLD
from twin.outside import directories

PEBBLE = ("127.0.0.1", 14000)
DAY = 24 * 3600
PROFILES = {"classic": 90 * DAY, "tlsserver": 45 * DAY, "shortlived": 6 * DAY}
"""Let's Encrypt's certificate profiles and how long their certificates are valid, in seconds."""


class Acme:
    """The authority of one twin."""

    def __init__(self, environment: Environment, twin: str, directory: Path) -> None:
        self.directories = directories(environment)
        self.twin = twin
        self.directory = directory
        self.accounts = directory / "acme-accounts"
        """The URLs of the accounts that the running authority knows, a line each."""

    def start(self, image: Path) -> None:
        """Start it where a host asks for certificates and it does not run."""
        if not self.directories:
            return
        pebble = self._pebble(image)
        pebble.start()
        pebble.settle()
        ready = self.directory / "acme.ready"
        specification = {
            "twin": self.twin,
            "address": ACME,
            "directories": [[each.name, each.port, each.path] for each in self.directories],
            "pebble": [*PEBBLE, pebble.daemon.pid],
            "accounts": str(self.accounts),
            "ready": str(ready),
        }
        inside = ("nsenter", f"--net={network.path_of(self.twin, WORLD)}", "--")
        argv = [*inside, sys.executable, "-m", "twin.acme_front", json.dumps(specification)]
        Daemon(self.directory, "acme").start(argv, Cgroup(cgroup_of(self.twin)), ready)

    def known(self) -> str:
        """Return the URLs of the accounts that the authority knows, a line each."""
        try:
            return self.accounts.read_text()
        except OSError:
            return ""

    def _pebble(self, image: Path) -> Cell:
        address, port = PEBBLE
        chain, key = Authority(self.twin).leaf("pebble", (address,))
        configuration = {
            "listenAddress": f"{address}:{port}",
            "certificate": "/conf/pebble.pem",
            "privateKey": "/conf/pebble.key",
            "httpPort": 80,
            "tlsPort": 443,
            "keyAlgorithm": "ecdsa",
            "profiles": {
                name: {"description": name, "validityPeriod": seconds} for name, seconds in PROFILES.items()
            },
            "retryAfter": {"authz": 1, "order": 1},
        }
        return Cell(
            name="pebble",
            twin=self.twin,
            node=WORLD,
            image=image,
            directory=self.directory / "pebble",
            account="nobody",
            argv=("/usr/bin/pebble", "-config", "/conf/pebble.json", "-dnsserver", f"{DNS}:53"),
            port=port,
            files={
                "pebble.json": json.dumps({"pebble": configuration}),
                "pebble.pem": chain.read_text(),
                "pebble.key": key.read_text(),
            },
            environment={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"},
        )
