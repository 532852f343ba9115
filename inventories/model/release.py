"""What differs between distributions, as data in one place."""

from __future__ import annotations

from datetime import date
from typing import Literal

from inventories.model.openssh import (
    OPENSSH_8_9,
    OPENSSH_9_2,
    OPENSSH_9_6,
    OPENSSH_10_0,
    OPENSSH_10_6,
    OpenSsh,
)
from inventories.model.record import Record

ReleaseName = Literal["debian12", "debian13", "debian-testing", "ubuntu22.04", "ubuntu24.04"]

PACKAGES: dict[str, tuple[str, ...]] = {
    "users": ("sudo",),
    "ssh": ("openssh-server",),
    "firewall": ("ufw",),
    "fail2ban": ("fail2ban", "python3-systemd", "nftables"),
    "updates": ("unattended-upgrades", "needrestart"),
    "time": ("chrony", "tzdata"),
    "strongswan": (
        "charon-systemd",
        "strongswan-swanctl",
        "libcharon-extra-plugins",
        "libstrongswan-standard-plugins",
        "nftables",
    ),
    "asterisk": ("asterisk", "asterisk-core-sounds-en", "openssl"),
    "nginx": ("nginx",),
    "certbot": ("certbot",),
}
"""Packages of each service; all releases use the same names for these."""
ENGINE_OF_DEBIAN_13 = ("docker.io", "docker-cli", "docker-compose")
ENGINE_OF_UBUNTU = ("docker.io", "docker-compose-v2")
ENGINE_OF_DOCKER = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin")
"""The engine with Compose v2, as Docker's own repository names it on every release."""
UNITS: dict[str, tuple[str, ...]] = {
    "ssh": ("ssh.service",),
    "firewall": ("ufw.service",),
    "fail2ban": ("fail2ban.service",),
    "updates": ("unattended-upgrades.service", "apt-daily.timer", "apt-daily-upgrade.timer"),
    "time": ("chrony.service",),
    "journal": ("systemd-journald.service",),
    "strongswan": ("trunkline-tunnels.service", "strongswan.service", "trunkline-tunnels-up.timer"),
    "docker": ("containerd.service", "docker.socket", "docker.service"),
    "asterisk": ("asterisk.service", "trunkline-asterisk.timer"),
    "nginx": ("nginx.service",),
    "certbot": ("certbot.timer",),
}
"""Units that run where a service is deployed."""
DEBIAN_SECURITY = (
    "origin=Debian,codename=${distro_codename},label=Debian-Security",
    "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
)
UBUNTU_SECURITY = (
    "origin=Ubuntu,archive=${distro_codename},label=Ubuntu",
    "origin=Ubuntu,archive=${distro_codename}-security,label=Ubuntu",
    "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
    "origin=UbuntuESM,archive=${distro_codename}-infra-security",
)


class Release(Record):
    """A supported operating system: its names, dates, packages, units and paths."""

    name: ReleaseName
    os_id: Literal["debian", "ubuntu"]
    """ID of os-release(5)."""
    version_id: str | None
    """VERSION_ID of os-release(5); None: it has none before it is released."""
    codename: str
    end_of_support: date | None
    """Last day of regular security support (package distro-info-data); None: nobody promises any."""
    end_of_lts: date | None
    """Last day of the free support that follows it: Debian LTS, Ubuntu Pro's ESM."""
    python: tuple[int, int]
    """Version of /usr/bin/python3, which runs whatever of ours runs on the host."""
    openssh: OpenSsh
    nginx: tuple[int, int]
    """Version of the distribution's nginx."""
    openssl: tuple[int, int]
    """Version of the OpenSSL that nginx uses."""
    certbot: tuple[int, int]
    """Version of the distribution's Certbot."""
    asterisk: int | None = None
    """Major version of the distribution's Asterisk; None where it has none."""
    ssh_socket_activated: bool = False
    """sshd's port is the socket unit's where this is true (Ubuntu 22.10 and later)."""
    netplan: bool = False
    """The network is netplan's on the provider's images."""
    snap: bool = False
    """snapd is there: it writes a unit of its own for every snap and each of its revisions."""
    security_origins: tuple[str, ...]
    """Unattended-Upgrade::Origins-Pattern of the security archive.

    On Ubuntu also the release pocket, which never changes: a security upgrade may bring new dependencies from
    there (Ubuntu's own 50unattended-upgrades says so).
    """
    packages: dict[str, tuple[str, ...]] = PACKAGES
    units: dict[str, tuple[str, ...]] = UNITS
    engine: tuple[str, ...] = ()
    """The distribution's container engine with Compose v2; nothing where it has only Compose v1."""
    time_unit: str = "chrony.service"
    time_config: str = "/etc/chrony/chrony.conf"
    ssh_unit: str = "ssh.service"
    ssh_socket: str = "ssh.socket"
    ssh_config: str = "/etc/ssh/sshd_config"
    ssh_drop_ins: str = "/etc/ssh/sshd_config.d"
    needrestart_drop_ins: str = "/etc/needrestart/conf.d"

    @property
    def ssh_units(self) -> tuple[str, ...]:
        """The daemon's unit, and the socket's where that has its port."""
        return (self.ssh_unit, self.ssh_socket) if self.ssh_socket_activated else (self.ssh_unit,)

    @property
    def is_released(self) -> bool:
        """Somebody promises security support until a date."""
        return self.end_of_support is not None

    @property
    def post_quantum_kex(self) -> bool:
        """OpenSSH knows mlkem768x25519-sha256 (9.9 and later)."""
        return "mlkem768x25519-sha256" in self.openssh.kex

    @property
    def post_quantum_tls(self) -> bool:
        """OpenSSL knows X25519MLKEM768 (3.5 and later)."""
        return self.openssl >= (3, 5)


RELEASES: dict[str, Release] = {
    release.name: release
    for release in (
        Release(
            name="debian12", os_id="debian", version_id="12", codename="bookworm",
            end_of_support=date(2026, 7, 11), end_of_lts=date(2028, 6, 30),
            python=(3, 11), openssh=OPENSSH_9_2, security_origins=DEBIAN_SECURITY,
            nginx=(1, 22), openssl=(3, 0), certbot=(2, 1),
        ),
        Release(
            name="debian13", os_id="debian", version_id="13", codename="trixie",
            end_of_support=date(2028, 8, 9), end_of_lts=date(2030, 6, 30),
            python=(3, 13), openssh=OPENSSH_10_0, security_origins=DEBIAN_SECURITY,
            engine=ENGINE_OF_DEBIAN_13,
            nginx=(1, 26), openssl=(3, 5), certbot=(4, 0),
        ),
        Release(
            name="debian-testing", os_id="debian", version_id=None, codename="forky",
            end_of_support=None, end_of_lts=None,
            python=(3, 14), openssh=OPENSSH_10_6, security_origins=DEBIAN_SECURITY,
            engine=ENGINE_OF_DEBIAN_13,
            nginx=(1, 30), openssl=(3, 6), certbot=(5, 5), asterisk=22,
        ),
        Release(
            name="ubuntu22.04", os_id="ubuntu", version_id="22.04", codename="jammy",
            end_of_support=date(2027, 6, 1), end_of_lts=date(2032, 4, 21),
            python=(3, 10), openssh=OPENSSH_8_9, security_origins=UBUNTU_SECURITY,
            nginx=(1, 18), openssl=(3, 0), certbot=(1, 21), asterisk=18,
            netplan=True, snap=True, engine=ENGINE_OF_UBUNTU,
        ),
        Release(
            name="ubuntu24.04", os_id="ubuntu", version_id="24.04", codename="noble",
            end_of_support=date(2029, 5, 31), end_of_lts=date(2034, 4, 25),
            python=(3, 12), openssh=OPENSSH_9_6, security_origins=UBUNTU_SECURITY,
            nginx=(1, 24), openssl=(3, 0), certbot=(2, 9), asterisk=20,
            ssh_socket_activated=True, netplan=True, snap=True, engine=ENGINE_OF_UBUNTU,
        ),
    )
}  # fmt: skip
