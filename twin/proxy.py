"""The package cache: one apt-cacher-ng for all twins of the machine, for what its apt and pip use, no more.

It runs in the machine's own network on a port of loopback; hosts reach it only through a relay of their twin.
Each twin that uses it leaves a file; the last one takes it down.
"""

from __future__ import annotations

import fcntl
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from control import places
from control.errors import TrunklineError
from twin.archive import Archive, Suite, credentials, upstream_proxy
from twin.cgroup import whole
from twin.command import command
from twin.daemon import Daemon

ACCOUNT = "apt-cacher-ng"
"""Its package makes the account."""
AS_ITSELF = ("setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--")
_PIP = """
import json
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
c = Configuration(isolated=False); c.load(); d = dict(c.items())
print(json.dumps([d.get('global.index-url') or d.get(':env:.index-url') or PyPI.simple_url,
  PyPI.file_storage_domain]))
"""


class Proxy:
    """The daemon, and who uses it."""

    def __init__(self) -> None:
        self.directory = places.run() / "_proxy"
        self.daemon = Daemon(self.directory, "apt-cacher-ng")
        self.cgroup = whole("_proxy")

    def take(self, user: str, archive: Archive) -> int:
        """Start it where it does not run, note the user, and return its port on loopback."""
        with self._locked():
            (self.directory / "users").mkdir(exist_ok=True)
            (self.directory / "users" / user).touch()
            if not self.daemon.alive():
                _write_private(self.directory / "etc" / "acng.conf", configure(archive))
                self._start()
            return int((self.directory / "port").read_text())

    def leave(self, user: str) -> None:
        """Strike the user off, and stop the daemon when nobody is left."""
        if not self.directory.exists():
            return
        with self._locked():
            (self.directory / "users" / user).unlink(missing_ok=True)
            if any((self.directory / "users").glob("*")):
                return
            self.daemon.stop()
            self.cgroup.kill()
            self.cgroup.remove()

    def _start(self) -> None:
        self._hand_over()
        for port in self._ports():
            if _answers(port):
                continue
            (self.directory / "port").write_text(str(port))
            self.daemon.start([*AS_ITSELF, *self._program(port)], self.cgroup)
            end = time.monotonic() + 5
            while time.monotonic() < end and self.daemon.alive():
                if _answers(port):
                    return
                time.sleep(0.01)
            self.daemon.stop()
        raise TrunklineError(
            "The package cache (apt-cacher-ng) does not start.", f"Read {self.daemon.log} for what it said."
        )

    def _ports(self) -> Iterator[int]:
        """The last port first, where the relays lead to. apt-cacher-ng 3.7 refuses those above 32767."""
        if (self.directory / "port").exists():
            yield int((self.directory / "port").read_text())
        yield from random.sample(range(12000, 30000), 10)

    def _program(self, port: int) -> list[str]:
        log = self.directory / "log"
        directories = [f"CacheDir={places.cache() / 'packages'}", f"LogDir={log}", f"SocketPath={log}/socket"]
        listening = ["ForeGround=1", f"Port={port}", "BindAddress=127.0.0.1"]
        return ["apt-cacher-ng", "-c", str(self.directory / "etc"), *directories, *listening]

    def _hand_over(self) -> None:
        """Give the daemon's own account what it reads and writes; it needs nothing of root's."""
        for directory in (places.cache() / "packages", self.directory / "log", self.directory / "etc"):
            directory.mkdir(parents=True, exist_ok=True)
            if directory.owner() != ACCOUNT or directory.name == "etc":
                command("chown", "-R", f"{ACCOUNT}:{ACCOUNT}", str(directory))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def configure(archive: Archive) -> str:
    """Return acng.conf: the archive's two bases, CONNECT for the machine's pip index, nothing else."""
    lines = ["ForceManaged: 1", "VerboseLog: 0", "ReportPage:"]
    for name, base in {"main": archive.main, "security": archive.security}.items():
        parts = urlsplit(base)
        backend = urlunsplit(parts._replace(netloc=credentials(base) + parts.netloc))
        lines.append(f"Remap-{name}: {Suite(base, '').plain} ; {backend}")
    hosts = "|".join(re.escape(host) for host in pip_hosts())
    lines.append(f"PassThroughPattern: ^({hosts}):443$" if hosts else "PassThroughPattern: ^$")
    if proxy := upstream_proxy():
        lines.append(f"Proxy: {proxy}")
    return "\n".join([*lines, ""])


def pip_hosts() -> tuple[str, ...]:
    """Return the hosts that this machine's pip fetches from."""
    done = subprocess.run([sys.executable, "-c", _PIP], capture_output=True, text=True, timeout=30)
    if done.returncode:
        return ()
    index, files = json.loads(done.stdout)
    return tuple(dict.fromkeys(host for host in (urlsplit(index).hostname, files) if host))


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(text)
