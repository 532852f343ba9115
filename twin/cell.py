"""A plain process of the twin's world, with the world image as its root: no systemd, no host.

Its root is read-only but for /run, /tmp and /data; it lives in a mount namespace of its own, in the network
of its node, in a control group of its own, under an account of the image.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from control.errors import TrunklineError
from twin import network
from twin.cgroup import Cgroup, cgroup_of
from twin.command import command
from twin.daemon import Daemon

_DEVICES = ("null", "zero", "full", "random", "urandom")
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc_net(5))."""


@dataclass(frozen=True)
class Cell:
    """One process: what it runs, where, and as whom."""

    name: str
    twin: str
    node: str
    image: Path
    directory: Path
    """Below the twin's run-time files; gone with the twin."""
    account: str
    argv: tuple[str, ...]
    port: int | None
    """It is ready when it listens there; None: who starts it finds out."""
    files: Mapping[str, str]
    """What it finds in /conf; it is started anew when one of them changes."""
    data: Path | None = None
    """What it finds as /data: kept on the machine's disk."""
    environment: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    """What it needs of /dev beside the usual."""

    @cached_property
    def daemon(self) -> Daemon:
        """The process as the machine sees it."""
        return Daemon(self.directory, self.name)

    @cached_property
    def cgroup(self) -> Cgroup:
        """Its control group."""
        return Cgroup(cgroup_of(self.twin, cell=self.name))

    @property
    def conf(self) -> Path:
        """What it sees as /conf."""
        return self.directory / "conf"

    @property
    def ids(self) -> tuple[int, int]:
        """The account's user and group number in the image."""
        for line in (self.image / "etc/passwd").read_text().splitlines():
            name, _, user, group, *_ = line.split(":")
            if name == self.account:
                return int(user), int(group)
        raise TrunklineError(f"The image {self.image.name} has no account {self.account}.")

    def start(self) -> bool:
        """Start it where it does not run like this already; say whether it was started. `settle` waits."""
        before = self.daemon.pid
        self.prepare()
        if not self.daemon.alive():
            self.cgroup.kill()  # children may outlive who started them
        self.cgroup.thaw()
        self.daemon.start(self._whole(self.argv), self.cgroup)
        return self.daemon.pid != before

    def settle(self) -> None:
        """Wait until it listens."""
        if port := self.port:
            self.daemon.serves(lambda: _listens(self.daemon.pid, port))

    def once(self, *argv: str, feed: str = "", timeout: float = 60) -> str:
        """Run another program in the same place until it ends, and return its stdout."""
        self.prepare()
        return command(*self.cgroup.prefix(), *self._whole(argv), feed=feed, timeout=timeout)

    def inside(self, *argv: str, feed: str = "") -> str:
        """Run a program beside the running process, in its root, as root; return its stdout."""
        into = ("nsenter", f"--target={self.daemon.pid}", "--mount", "--net", "--root", "--wd=/", "--")
        return command(*self.cgroup.prefix(), *into, "env", "-i", _PATH, *argv, feed=feed)

    def end(self) -> None:
        """End it at once."""
        self.cgroup.kill()
        self.daemon.stop()
        self.cgroup.remove()

    def put(self, name: str, text: str) -> None:
        """Put one more file into /conf, whole or not at all."""
        path = self.conf / name
        if path.exists() and path.read_text() == text:
            return
        self.conf.mkdir(parents=True, exist_ok=True)
        temporary = self.conf / f"{name}.new"
        temporary.touch(0o600)
        temporary.write_text(text)
        shutil.chown(temporary, *self.ids)
        temporary.rename(path)

    def prepare(self) -> None:
        """Make what is mounted, and write the files."""
        self.cgroup.create()
        (self.directory / "root").mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            self.put(name, text)
        if self.data and not self.data.exists():
            self.data.mkdir(parents=True, mode=0o700)
            shutil.chown(self.data, *self.ids)

    def _whole(self, argv: tuple[str, ...]) -> list[str]:
        """Everything from the network to the program; each step becomes the next, so the pid stays."""
        digest = hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()[:12]
        variables = [
            _PATH,
            "LANG=C.UTF-8",
            f"CONF={digest}",
            *(f"{k}={v}" for k, v in self.environment.items()),
        ]
        root = str(self.directory / "root")
        last = ("exec", "chroot", f"--userspec={self.account}", root, "env", "-i", *variables, *argv)
        script = " && ".join(shlex.join(step) for step in (*self._mounts(root), last))
        net = f"--net={network.path_of(self.twin, self.node)}"
        unshare = ("unshare", "--mount", "--propagation", "slave", "--", "/bin/sh", "-c", script)
        return ["nsenter", net, "--", *unshare]

    def _mounts(self, root: str) -> list[tuple[str, ...]]:
        steps: list[tuple[str, ...]] = [
            ("mount", "--bind", str(self.image), root),
            ("mount", "-o", "remount,bind,ro", root),
            *(("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{root}/{d}") for d in ("run", "tmp")),
            ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", f"{root}/dev"),
            ("mkdir", "-m", "1777", f"{root}/dev/shm"),
            ("mount", "--bind", str(self.conf), f"{root}/conf"),
        ]
        for device in (*_DEVICES, *self.devices):
            steps += [("mkdir", "-p", str(Path(f"{root}/dev/{device}").parent))]
            steps += [("touch", f"{root}/dev/{device}")]
            steps += [("mount", "--bind", f"/dev/{device}", f"{root}/dev/{device}")]
        return steps + ([("mount", "--bind", str(self.data), f"{root}/data")] if self.data else [])


def _listens(pid: int, port: int) -> bool:
    """Say whether somebody in the network of a process listens on a TCP port."""
    for family in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]
        except OSError:
            continue
        fields = (line.split() for line in lines)
        if any(f[1].endswith(f":{port:04X}") and f[3] == _LISTENING for f in fields):
            return True
    return False
