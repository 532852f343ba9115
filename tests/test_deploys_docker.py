"""The engine's settings, how they are taken on, and where its packages come from."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from ipaddress import IPv4Network

import pytest
from deploys_on_fake import bare, converged, serve

from deploys import docker, site
from deploys._ops.managed import ManagedFile
from inventories.model import RELEASES, Docker, Environment, Host, load

LAB = load("lab")
WEB1 = LAB.host("web1")
DOCKERS_OWN = WEB1.model_copy(update={"docker": Docker(source="docker")})
FINGERPRINT = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
"""Of Docker's release key, as Docker's installation page tells it."""


def daemon(host: Host, environment: Environment = LAB) -> dict[str, object]:
    (file,) = docker.config(host, environment)
    found: dict[str, object] = json.loads(file.content)
    return found


def test_containers_outlive_the_engine_and_logs_are_limited() -> None:
    settings = daemon(WEB1.model_copy(update={"docker": Docker(log_max_mb=7, log_files=2)}))
    assert settings["live-restore"] is True
    assert settings["userland-proxy"] is False
    assert settings["log-driver"] == "local"
    assert settings["log-opts"] == {"max-size": "7m", "max-file": "2"}


def test_containers_networks_meet_no_network_of_the_environment() -> None:
    taken = {"address": "172.24.3.2/24"}
    host = Host.model_validate({**{name: getattr(WEB1, name) for name in Host.model_fields}, **taken})
    environment = LAB.model_copy(update={"hosts": (host,)})
    pools = docker.pools_of(environment)
    assert len(pools) == 2
    assert not any(pool.overlaps(IPv4Network("172.24.3.0/24")) for pool in pools)
    assert docker.pools_of(LAB)[0].overlaps(IPv4Network("172.24.3.0/24"))


def test_the_engine_reads_its_settings_before_it_gets_them() -> None:
    assert docker.CHECKS.check is not None
    assert docker.CHECKS.check[-1] == "{/etc/docker/daemon.json}"


def test_a_host_without_containers_gets_nothing_of_them() -> None:
    edge1 = LAB.host("edge1")
    assert docker.files(edge1, LAB) == []
    assert not {"docker.io", "nginx", "certbot"} & set(site.packages_of(edge1))
    assert not {"docker.service", "nginx.service", "certbot.timer"} & set(site.units_of(edge1))


@pytest.mark.parametrize(
    ("release", "packages"),
    [
        ("debian13", ("docker.io", "docker-cli", "docker-compose")),
        ("ubuntu22.04", ("docker.io", "docker-compose-v2")),
        ("ubuntu24.04", ("docker.io", "docker-compose-v2")),
    ],
)
def test_the_distributions_engine_comes_with_compose_v2(release: str, packages: tuple[str, ...]) -> None:
    assert docker.packages(WEB1.model_copy(update={"os": release})) == packages


@pytest.mark.parametrize("release", RELEASES)
def test_dockers_own_packages_come_from_its_own_source_with_its_key(release: str) -> None:
    host = DOCKERS_OWN.model_copy(update={"os": release})
    assert docker.packages(host)[0] == "docker-ce"
    files = {file.path: file.content for file in docker.files(host, LAB)}
    source = files["/etc/apt/sources.list.d/docker.sources"]
    assert f"Suites: {host.release.codename}\n" in source
    assert re.search(rf"^URIs: \S+/linux/{host.release.os_id}$", source, re.MULTILINE)
    assert "Signed-By: /etc/apt/keyrings/docker.asc\n" in source
    assert fingerprint(files["/etc/apt/keyrings/docker.asc"]) == FINGERPRINT


def fingerprint(armored: str) -> str:
    """Return the fingerprint of the first key of an armored block (RFC 4880, 12.2)."""
    import base64

    body = armored.partition("\n\n")[2].rpartition("\n=")[0]
    packets = base64.b64decode(body)
    assert packets[0] == 0x99
    length = int.from_bytes(packets[1:3], "big")
    return hashlib.sha1(packets[: 3 + length], usedforsecurity=False).hexdigest().upper()


def test_dockers_source_is_known_to_apt_before_anything_is_installed() -> None:
    served = serve(DOCKERS_OWN, LAB, bare(DOCKERS_OWN, LAB))
    order = list(served.commands)
    assert order.index("docker: package source") < order.index("packages: install")
    assert "docker-ce" in served.plan["packages: install"].diff
    assert "docker.io" not in served.plan["packages: install"].diff


def test_settings_changed_by_hand_are_put_back_and_taken_on() -> None:
    seen = converged(WEB1, LAB)
    seen.files[docker.CONFIG] = {"is": "file root root 0644 0", "content": None}
    served = serve(WEB1, LAB, seen)
    assert list(served.commands) == ["docker: files"]
    assert '+  "live-restore": true,' in served.plan["docker: files"].diff


def test_the_program_that_loads_the_settings_is_whole() -> None:
    loader: ManagedFile = docker.loader()
    assert loader.mode == "0755"
    done = subprocess.run(
        ["python3", "-I", "-c", f"compile({loader.content!r}, 'docker', 'exec')"], check=False
    )
    assert done.returncode == 0
