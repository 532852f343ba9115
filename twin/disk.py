"""A host's disk: a file with an ext4 file system of the declared size, for what differs from the image.

It is mounted only in the mount namespace of the host's own nspawn: when the host dies, the mount is gone, and
with it the loop device.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from control import places
from control.errors import TrunklineError
from inventories.model import Host
from twin.command import command
from twin.image import put
from twin.provider import MASKED, host_files
from twin.trust import trust

FIFREEZE = 0xC0045877
FITHAW = 0xC0045878
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
KEY_TYPES = ("ed25519", "ecdsa", "rsa")


class _Made(NamedTuple):
    image: str
    host_keys: list[str]
    authorized: str


class Disk:
    """The disk of one host of one twin."""

    def __init__(self, twin: str, host: str) -> None:
        self.host = host
        self.directory = places.twin_of(twin) / "hosts" / host
        self.file = self.directory / "disk.img"
        self.record = self.directory / "host.json"

    def exists(self) -> bool:
        """Say whether the disk was made completely."""
        return self.record.exists()

    @property
    def taken_mb(self) -> int:
        """What the disk takes on this machine."""
        return self.file.stat().st_blocks * 512 >> 20 if self.file.exists() else 0

    @property
    def image(self) -> Path:
        """The base image the disk belongs to; another one under it would be another host."""
        path = Path(self._read().image)
        if not path.exists():
            raise TrunklineError(
                f"{self.host}'s disk needs the base image {path.name}, which is gone from the cache.",
                "Erase the twin (`invoke twin.down --erase`) and bring it up anew.",
            )
        return path

    @property
    def host_keys(self) -> tuple[str, ...]:
        """The host's public SSH keys, as `type base64`."""
        return tuple(self._read().host_keys)

    def refuse_another(self, release: str, controller_key: str) -> None:
        """Raise where the disk was made for another release or for another controller."""
        made = self._read()
        of = Path(made.image).name.rsplit("-", 3)[0]
        if of == release and made.authorized == controller_key:
            return
        other = of if of != release else "another controller's key"
        raise TrunklineError(
            f"{self.host}'s disk was made for {other}.",
            "Erase the twin and bring it up anew: `invoke twin.down --erase`, then `invoke twin.up`.",
        )

    def make(self, host: Host, domain: str, image: Path, controller_key: str, authority: str) -> None:
        """Make the disk as a provider delivers it: own keys, own machine-id, root by the controller's key.

        `authority` (PEM) is trusted beside the public ones.
        """
        shutil.rmtree(self.directory, ignore_errors=True)
        seed = self.directory / "seed"
        upper = seed / "upper"
        for directory in (upper, seed / "work", seed / "docker"):
            directory.mkdir(parents=True)
        for name, text in host_files(self.host, domain, secrets.token_hex(16), controller_key).items():
            put(upper, name, text, 0o600 if name.startswith("/root") else 0o644)
        for unit in MASKED:
            link = upper / "etc/systemd/system" / unit
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("/dev/null")
        trust(upper, image, authority)
        (upper / "root").chmod(0o700)
        (upper / "root/.ssh").chmod(0o700)
        keys = [self._host_key(upper, kind) for kind in KEY_TYPES]
        command("truncate", "-s", f"{host.disk_mb}M", str(self.file))
        options = ("-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-m", "0", "-J", "size=16")
        command("mkfs.ext4", "-q", *options, "-d", str(seed), str(self.file))
        shutil.rmtree(seed)
        temporary = self.record.with_suffix(".new")
        temporary.write_text(json.dumps(_Made(str(image), keys, controller_key)._asdict()))
        temporary.rename(self.record)

    def _host_key(self, upper: Path, kind: str) -> str:
        path = upper / f"etc/ssh/ssh_host_{kind}_key"
        path.parent.mkdir(parents=True, exist_ok=True)
        command("ssh-keygen", "-q", "-N", "", "-t", kind, "-C", f"root@{self.host}", "-f", str(path))
        return " ".join(path.with_suffix(".pub").read_text().split()[:2])

    def detached(self, wait: float = 10) -> None:
        """Wait until no loop device holds the disk any more: two mounts of it would destroy it."""
        end = time.monotonic() + wait
        while held := command("losetup", "-j", str(self.file)).strip():
            if time.monotonic() > end:
                raise TrunklineError(f"{self.host}'s disk is still in use: {held}.")
            time.sleep(0.02)

    def copy_to(self, target: Path) -> None:
        """Copy the disk with its holes; a file system that can shares the blocks."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".new")
        command("cp", "--reflink=auto", "--sparse=auto", str(self.file), str(temporary), timeout=600)
        temporary.rename(target)

    def copy_from(self, source: Path) -> None:
        """Put a copy back; the host must not run."""
        self.detached()
        temporary = self.file.with_suffix(".new")
        command("cp", "--reflink=auto", "--sparse=auto", str(source), str(temporary), timeout=600)
        temporary.rename(self.file)

    def _read(self) -> _Made:
        return _Made(**json.loads(self.record.read_text()))


def make_loop_nodes() -> None:
    """Make the loop devices' nodes where /dev does not follow the kernel: inside a host of another twin."""
    if Path("/dev/loop-control").exists():
        return
    os.mknod("/dev/loop-control", 0o660 | stat.S_IFCHR, os.makedev(10, 237))
    for number in range(256):
        if not Path(f"/dev/loop{number}").exists():
            os.mknod(f"/dev/loop{number}", 0o660 | stat.S_IFBLK, os.makedev(7, number))


def go_down(mounted: Path) -> None:
    """Stop a mounted ext4 dead: nothing that is not in its journal or data blocks yet gets there any more."""
    handle = os.open(mounted, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(handle)


def thaw(mounted: Path) -> None:
    """Let a file system go on that a command held still and was killed (ioctl FITHAW).

    What writes to it can neither be ended nor killed until then.
    """
    with suppress(OSError):  # it was not frozen, or is not mounted any more
        handle = os.open(mounted, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, FITHAW, 0)
        finally:
            os.close(handle)


@contextmanager
def frozen(mounted: Path) -> Iterator[None]:
    """Hold a mounted file system still and complete while the block runs (ioctl FIFREEZE)."""
    handle = os.open(mounted, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(handle, FIFREEZE, 0)
        try:
            yield
        finally:
            fcntl.ioctl(handle, FITHAW, 0)
    finally:
        os.close(handle)
