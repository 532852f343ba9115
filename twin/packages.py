"""The Debian packages that the twin needs on the machine, each with its reason. Said only here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from control.errors import TrunklineError


class Tool(NamedTuple):
    """A program, the package it comes from, and why the twin needs it."""

    program: str
    package: str
    why: str


TOOLS: tuple[Tool, ...] = (
    Tool("systemd-nspawn", "systemd-container", "boots the hosts"),
    Tool("mmdebstrap", "mmdebstrap", "builds the hosts' base images"),
    Tool("buildah", "buildah", "builds the images of containers"),
    Tool("apt-cacher-ng", "apt-cacher-ng", "passes packages on to hosts that have no route out"),
    Tool("dnsmasq", "dnsmasq-base", "answers DNS in the twin's world"),
    Tool("ip", "iproute2", "makes the twin's networks"),
    Tool("mkfs.ext4", "e2fsprogs", "makes the hosts' disks"),
    Tool("losetup", "mount", "attaches the hosts' disks"),
    Tool("nsenter", "util-linux", "enters hosts and networks"),
    Tool("ssh-keygen", "openssh-client", "makes the hosts' and the controller's keys"),
    Tool("openssl", "openssl", "names certificates as a trust store does"),
    Tool("gpgv", "gpgv", "checks the archive's signatures"),
    Tool("sipp", "sip-tester", "plays the far side of calls"),
)
FILES: dict[str, tuple[str, str]] = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": ("debian-archive-keyring", "the archive's signatures"),
}


def packages() -> tuple[str, ...]:
    """Return the names of all packages, for the setup."""
    return (*(tool.package for tool in TOOLS), *(package for package, _ in FILES.values()))


def require() -> None:
    """Raise one error that names every missing package, or that the user is not root."""
    if os.geteuid() != 0:
        raise TrunklineError(
            "The twin boots real hosts and needs root.", "Put `./setup` before the command: it asks for sudo."
        )
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {t.package: f"{t.package} ({t.why})" for t in TOOLS if not shutil.which(t.program, path=search)}
    missing |= {name: f"{name} ({why})" for path, (name, why) in FILES.items() if not Path(path).exists()}
    if missing:
        raise TrunklineError(
            f"The twin needs packages that are not installed: {', '.join(missing.values())}.",
            f"apt-get install --no-install-recommends {' '.join(missing)}",
        )


if __name__ == "__main__":
    print(*packages())
