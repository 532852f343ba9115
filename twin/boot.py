"""How a host is booted: its disk mounted in a mount namespace of its own, then systemd-nspawn over it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from twin.layout import namespace

KEPT_FROM_HOSTS = ("CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYSLOG", "CAP_WAKE_ALARM")
"""What would change the machine itself: its clock, modules, memory and log."""
ALLOWED_CALLS = "add_key keyctl bpf mount umount2 pivot_root"
"""System calls that Docker and a twin inside a host need; swapon(2) stays forbidden."""

NSPAWN_STATE = "/run/systemd/nspawn"
"""Where nspawn leaves locks and links behind; each host has its own, which is gone with it."""


@dataclass(frozen=True)
class Boot:
    """What one boot of a host needs."""

    twin: str
    host: str
    disk: Path
    image: Path
    directory: Path
    """Where the host's mount points are made."""
    docker: bool = False
    """/var/lib/docker is a real directory: an overlay over an overlay fails."""

    @property
    def mounted(self) -> Path:
        """The disk's mount point, seen in the host's mount namespace only."""
        return self.directory / "disk"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that decide: only net.* settings are writable; cgroup v2; /tmp on the disk."""
        return {
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
            "NOTIFY_SOCKET": str(self.directory / "notify"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def argv(self) -> list[str]:
        """Return the command; its process becomes systemd-nspawn."""
        disk, root = str(self.mounted), str(self.directory / "root")
        layers = f"lowerdir={self.image},upperdir={disk}/upper,workdir={disk}/work,redirect_dir=on"
        options = "loop,noatime,barrier=0,errors=remount-ro"
        steps = (
            ("mkdir", "-p", disk, root, NSPAWN_STATE),
            ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", NSPAWN_STATE),
            ("mount", "-t", "ext4", "-o", options, str(self.disk), disk),
            ("mount", "-t", "overlay", "-o", layers, "overlay", root),
            ("exec", *self._nspawn()),
        )
        script = " && ".join(shlex.join(step) for step in steps)
        return ["unshare", "--mount", "--propagation", "slave", "/bin/sh", "-c", script]

    @classmethod
    def from_json(cls, text: str) -> Boot:
        """Read what was written by `json.dumps` of its fields."""
        data = json.loads(text)
        disk, image, directory = (Path(data[name]) for name in ("disk", "image", "directory"))
        return cls(data["twin"], data["host"], disk, image, directory, data["docker"])

    def _nspawn(self) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--settings=no"),
            *(f"--machine={self.twin}.{self.host}", f"--hostname={self.host}"),
            *(f"--directory={self.directory / 'root'}", "--console=read-only", "--notify-ready=yes"),
            f"--network-namespace-path=/run/netns/{namespace(self.twin, self.host)}",
            *("--capability=all", f"--drop-capability={','.join(KEPT_FROM_HOSTS)}"),
            f"--system-call-filter={ALLOWED_CALLS}",
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--bind=/dev/net/tun"),
            *([f"--bind={self.mounted}/docker:/var/lib/docker"] if self.docker else []),
        ]
