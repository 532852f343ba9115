"""Ubuntu, which cannot be booted in a twin: what its cloud images bring, and what is done about it.

What they bring is written down in `delivered/`, by hand: each file says where it is from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deploys_on_fake import Seen, bare, serve

from deploys import site, ssh
from inventories.model import RELEASES, Host, load

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


def test_only_what_cannot_be_booted_is_written_down_and_each_file_says_that_it_is() -> None:
    """Debian's images are booted by the tests in `twin/`: nothing stands in for them."""
    written = {path.stem: json.loads(path.read_text()) for path in DELIVERED.glob("*.json")}
    assert set(written) == {name for name, release in RELEASES.items() if release.os_id != "debian"}
    assert all("never booted here" in image["provenance"] for image in written.values())


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
    assert ssh.socket_drop_in(host.release) not in [file.path for file in ssh.files(host, LAB)]
    assert ssh.guarded(host).units == ("ssh.service",)


@UBUNTU
def test_security_upgrades_are_ubuntus(release: str) -> None:
    host, _ = delivered(release)
    text = next(f.content for f in site.rendered(host, LAB) if f.path.endswith("50unattended-upgrades"))
    assert "origin=Ubuntu,archive=${distro_codename}-security" in text
    assert "Debian" not in text


@UBUNTU
def test_the_new_dependencies_of_a_security_upgrade_may_come_from_the_release_itself(release: str) -> None:
    host, _ = delivered(release)
    text = next(f.content for f in site.rendered(host, LAB) if f.path.endswith("50unattended-upgrades"))
    assert '"origin=Ubuntu,archive=${distro_codename},label=Ubuntu";' in text
    assert "-updates" not in text
    assert "-proposed" not in text
    for origin in ("UbuntuESMApps", "UbuntuESM"):
        assert f"origin={origin},archive=" in text


@UBUNTU
def test_the_network_and_the_snaps_are_the_providers(release: str) -> None:
    host, _ = delivered(release)
    theirs = ("/etc/netplan", "/etc/network", "/etc/systemd/network", "/etc/cloud", "/var/lib/snapd")
    assert [file.path for file in site.rendered(host, LAB) if file.path.startswith(theirs)] == []


def test_our_ports_of_the_socket_are_read_behind_those_that_sshds_generator_made() -> None:
    """Drop-ins of all directories are read by their file names (systemd.unit(5))."""
    host, _ = delivered("ubuntu24.04")
    socket = next(file for file in ssh.files(host, LAB) if file.path == ssh.socket_drop_in(host.release))
    generated = "addresses.conf"
    assert socket.path.rpartition("/")[2] > generated
    listens = [line for line in socket.content.splitlines() if line.startswith("ListenStream")]
    assert listens[0] == "ListenStream="


def test_the_socket_has_the_ports_that_sshds_own_configuration_names() -> None:
    host, _ = delivered("ubuntu24.04")
    files = {file.path: file.content for file in ssh.files(host, LAB, (2222,))}
    drop_in = next(text for path, text in files.items() if path.endswith("10-trunkline.conf"))
    ports = [line.split()[1] for line in drop_in.splitlines() if line.startswith("Port ")]
    socket = files[ssh.socket_drop_in(host.release)]
    listens = [line for line in socket.splitlines() if line.startswith("ListenStream=")]
    assert listens[1:] == [f"ListenStream={each}:{port}" for port in ports for each in ("0.0.0.0", "[::]")]
