"""What differs between distributions, as data in one place."""

from __future__ import annotations

from datetime import date
from typing import Literal

from inventories.model.record import Record

ReleaseName = Literal["debian12", "debian13", "ubuntu22.04", "ubuntu24.04"]


class Release(Record):
    """A supported operating system: its names, dates, packages, units and paths."""

    name: ReleaseName
    os_id: Literal["debian", "ubuntu"]
    """ID of os-release(5)."""
    version_id: str
    """VERSION_ID of os-release(5)."""
    codename: str
    end_of_support: date
    """Last day of regular security support."""
    end_of_lts: date
    """Last day of the free long-term support that follows it."""
    ssh_socket_activated: bool
    """sshd's port is the socket unit's where this is true (Ubuntu 22.10 and later)."""
    post_quantum_kex: bool
    """OpenSSH knows mlkem768x25519-sha256 (9.9 and later)."""
    time_unit: str = "chrony.service"
    ssh_unit: str = "ssh.service"
    ssh_socket: str = "ssh.socket"


RELEASES: dict[str, Release] = {
    release.name: release
    for release in (
        Release(
            name="debian12", os_id="debian", version_id="12", codename="bookworm",
            end_of_support=date(2026, 6, 10), end_of_lts=date(2028, 6, 30),
            ssh_socket_activated=False, post_quantum_kex=False,
        ),
        Release(
            name="debian13", os_id="debian", version_id="13", codename="trixie",
            end_of_support=date(2028, 8, 9), end_of_lts=date(2030, 6, 30),
            ssh_socket_activated=False, post_quantum_kex=True,
        ),
        Release(
            name="ubuntu22.04", os_id="ubuntu", version_id="22.04", codename="jammy",
            end_of_support=date(2027, 4, 1), end_of_lts=date(2032, 4, 9),
            ssh_socket_activated=False, post_quantum_kex=False,
        ),
        Release(
            name="ubuntu24.04", os_id="ubuntu", version_id="24.04", codename="noble",
            end_of_support=date(2029, 5, 31), end_of_lts=date(2034, 4, 25),
            ssh_socket_activated=True, post_quantum_kex=False,
        ),
    )
}  # fmt: skip
