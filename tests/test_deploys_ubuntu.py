"""Ubuntu, which cannot be booted in a twin: what its cloud images bring, and what is done about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deploys_on_fake import Seen, bare, serve

from deploys import site, ssh
from inventories.model import Host, load

DELIVERED = Path(__file__).resolve().parent / "delivered"
LAB = load("lab")
UBUNTU = pytest.mark.parametrize("release", ["ubuntu22.04", "ubuntu24.04"])


def delivered(release: str) -> tuple[Host, Seen]:
    """Return a host of a release and what its provider's image answers."""
    host = LAB.hosts[1].model_copy(update={"os": release})
    image: dict[str, Any] = json.loads((DELIVERED / f"{release}.json").read_text())
    seen = bare(host, LAB)
    installed = set(image["installed"])
    seen.system["packages"]["missing"] = [name for name in site.packages_of(host) if name not in installed]
    seen.system["units"] |= image["units"]
    return host, seen


@UBUNTU
def test_only_what_the_image_lacks_is_installed(release: str) -> None:
    host, seen = delivered(release)
    (command,) = serve(host, LAB, seen).commands["packages: install"]
    asked = command.splitlines()[0].split(" <<")[0].split()[3:]
    assert asked == ["chrony", "fail2ban", "nftables", "python3-systemd", "--update"]


@UBUNTU
def test_needrestart_of_the_image_neither_asks_nor_restarts_during_the_installation(release: str) -> None:
    host, seen = delivered(release)
    (command,) = serve(host, LAB, seen).commands["packages: install"]
    assert '"NEEDRESTART_SUSPEND": "1"' in command
    assert '"DEBIAN_FRONTEND": "noninteractive"' in command


def test_where_the_socket_takes_logins_sshds_own_unit_is_left_as_it_is() -> None:
    host, seen = delivered("ubuntu24.04")
    served = serve(host, LAB, seen)
    assert "ssh: unit" not in served.commands
    assert not [words for words in served.commands.values() if "enable ssh.service" in " ".join(words)]
    assert ssh.guarded(host).units == ("ssh.socket",)
    assert ssh.guarded(host).reload[-1] == ("systemctl", "restart", "ssh.socket")


def test_where_sshd_takes_logins_itself_there_is_no_socket() -> None:
    host, _ = delivered("ubuntu22.04")
    assert ssh.SOCKET_DROP_IN not in [file.path for file in ssh.files(host, LAB)]
    assert ssh.guarded(host).units == ("ssh.service",)


@UBUNTU
def test_security_upgrades_are_ubuntus(release: str) -> None:
    host, _ = delivered(release)
    text = next(f.content for f in site.rendered(host, LAB) if f.path.endswith("50unattended-upgrades"))
    assert "origin=Ubuntu,archive=${distro_codename}-security" in text
    assert "Debian" not in text
