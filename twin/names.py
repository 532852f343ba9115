"""The twin's DNS: every name that the environment knows, and what a test puts in place of one."""

from __future__ import annotations

import json
import os
import signal
import time
from ipaddress import ip_address
from pathlib import Path

from control.errors import TrunklineError
from twin.cgroup import Cgroup
from twin.daemon import Daemon
from twin.layout import DNS, Layout

_READ = "read "
"""What dnsmasq says when it has read its hosts file."""


class Names:
    """The names of one twin."""

    def __init__(self, layout: Layout, directory: Path) -> None:
        self.layout = layout
        self.file = directory / "hosts.dns"
        self.overrides = directory / "dns.json"
        self.pid = directory / "dns.pid"
        self.daemon = Daemon(directory, "dns")

    def start(self, inside: list[str], cgroup: Cgroup) -> None:
        """Start the server in a network, or let the running one read what has changed."""
        changed = self._write()
        ran = self.daemon.alive()
        self.daemon.start([*inside, *self._dnsmasq()], cgroup, self.pid)
        if ran and changed:
            self._reload()

    def put(self, name: str, address: str | None) -> None:
        """Let a name lead to another address from now on; None: to where the environment says."""
        name = name.lower().rstrip(".")
        if address is not None:
            try:
                address = str(ip_address(address))
            except ValueError:
                raise TrunklineError(f"{address!r} is no address.", "Give an IPv4 or IPv6 address.") from None
        overrides = self._overrides()
        overrides.pop(name, None)
        self._keep(overrides | ({name: address} if address else {}))

    def forget(self) -> None:
        """Let every name lead to where the environment says."""
        if self._overrides():
            self._keep({})

    def _keep(self, overrides: dict[str, str]) -> None:
        self.overrides.write_text(json.dumps(overrides))
        if self._write():
            self._reload()

    def _overrides(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self.overrides.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _write(self) -> bool:
        """Write the hosts file; say whether it is another one now."""
        names = self.layout.names | {name: (address,) for name, address in self._overrides().items()}
        text = "".join(f"{address} {name}\n" for name, found in names.items() for address in found)
        if self.file.exists() and self.file.read_text() == text:
            return False
        temporary = self.file.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(self.file)
        return True

    def _reload(self) -> None:
        """Return when the server has read the file."""
        said = self.daemon.log.stat().st_size
        os.kill(self.daemon.pid, signal.SIGHUP)
        end = time.monotonic() + 5
        while f"{_READ}{self.file}" not in self.daemon.log.read_text(errors="replace")[said:]:
            if time.monotonic() > end:
                raise TrunklineError("The twin's DNS does not read its names.", f"Read {self.daemon.log}.")
            time.sleep(0.01)

    def _dnsmasq(self) -> list[str]:
        return [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
            *(f"--listen-address={DNS}", "--bind-interfaces", f"--pid-file={self.pid}"),
            *("--user=root", "--log-facility=-", "--address=/#/", f"--addn-hosts={self.file}"),
        ]
