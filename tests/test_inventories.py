"""The inventories of this repository: the lab stands, the examples wait for real values."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from inventories.model import RELEASES, Environment, ModelError, checked, environment_names, load
from inventories.model.compose import Role
from inventories.model.openssh import OPENSSH_8_9, OPENSSH_9_2, OpenSsh

EXAMPLES = ("prod", "staging")
REAL = {
    r"198\.51\.100": "9.9.9",
    r"203\.0\.113": "9.9.8",
    r"2001:db8:": "2620:fe:",
    r"(staging\.)?example\.com": "trunkline.dev",
    r"carrier\.example": "carrier.dev",
}
"""What a reader would replace, by what exists."""
EXAMPLE = "documentation address|example name|an example that"


@pytest.fixture
def directory(top: Path) -> Path:
    """Where the inventories stand."""
    return top / "inventories"


def test_the_lab_has_no_problem_and_something_to_prove_in_every_service() -> None:
    lab = load("lab")
    edge1, edge2, vpn1, vpn2, pbx1, web1 = lab.hosts
    assert (edge1.os, edge2.os) == ("debian12", "debian13")
    assert edge1.address6 is None
    assert edge2.address6 is not None
    assert not edge1.ssh.sources
    assert edge2.ssh.sources
    assert edge2.swap is not None
    assert any(opening.sources for opening in edge1.firewall.extra)
    assert vpn1.strongswan is not None
    assert vpn2.strongswan is not None
    assert vpn1.strongswan.peers[0].psk is not None
    assert vpn2.strongswan.peers[0].certificates is not None
    assert vpn1.strongswan.interface != vpn2.strongswan.interface == "lo"
    assert len(vpn2.strongswan.peers[0].pairs) > 1
    assert vpn1.compose is not None
    assert any(container.host_network for _, container in vpn1.compose.containers())
    assert vpn1.strongswan.peers[0].sip
    assert set(web1.services) >= {"docker", "nginx", "compose", "certbot"}
    assert pbx1.asterisk is not None
    assert {trunk.kind for trunk in pbx1.asterisk.trunks} == {"address", "registration"}
    assert pbx1.asterisk.transports == ("udp", "tcp", "tls")


def test_the_lab_has_a_service_of_every_role_and_a_database_of_every_kind() -> None:
    lab = load("lab")
    compose = lab.host("web1").compose
    assert compose is not None
    assert {container.role for _, container in compose.containers()} == set(get_args(Role))
    assert {database.kind for database in lab.databases} == {"postgresql", "redis"}
    (stack,) = compose.stacks
    assert stack.migration is not None
    assert stack.migration.dump is not None
    shop = {"shop.lab.example", "www.shop.lab.example", "crm.lab.example"}
    assert set(lab.served()) == {*shop, "sip.lab.example"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_refused_for_its_example_values_alone(name: str) -> None:
    with pytest.raises(ModelError) as error:
        load(name)
    seen = [problem.seen for problem in error.value.problems]
    assert any("documentation address" in each for each in seen)
    assert [each for each in seen if not re.search(EXAMPLE, each)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_complete_once_its_values_are_real(name: str, directory: Path, tmp_path: Path) -> None:
    text = (directory / f"{name}.py").read_text(encoding="utf-8")
    for example, real in REAL.items():
        text = re.sub(example, real, text)
    (tmp_path / "real.py").write_text(text, encoding="utf-8")
    environment = checked(lambda: runpy.run_path(str(tmp_path / "real.py"))["environment"])
    assert environment.name == name


def test_every_release_is_in_an_inventory(directory: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in directory.glob("*.py"))
    released = {name for name, release in RELEASES.items() if release.is_released}
    # No released Debian has an Asterisk: the laboratory's exchange runs on testing.
    assert {name for name in RELEASES if f'"{name}"' in text} == released | {"debian-testing"}


def test_environments_are_the_files_beside_the_model() -> None:
    assert environment_names() == ("lab", "prod", "staging")


@pytest.mark.parametrize("name", environment_names())
def test_an_inventory_has_no_list_that_pyinfra_would_take_for_a_group(name: str, directory: Path) -> None:
    values = checked_values(directory / f"{name}.py")
    assert [key for key, value in values.items() if isinstance(value, list | tuple) and key != "hosts"] == []


def checked_values(path: Path) -> dict[str, object]:
    """Return the names of an inventory that stand for a value, as pyinfra would see them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    seen: dict[str, object] = {}

    def declare() -> Environment:
        seen.update(runpy.run_path(str(path)))
        return load("lab")

    checked(declare)
    return {name: seen[name] for name in names}


def test_pyinfra_finds_the_labs_hosts_by_our_connector() -> None:
    assert [name for name, _ in load("lab").inventory()] == [
        "@trunkline/lab/edge1",
        "@trunkline/lab/edge2",
        "@trunkline/lab/vpn1",
        "@trunkline/lab/vpn2",
        "@trunkline/lab/pbx1",
        "@trunkline/lab/web1",
    ]


def test_a_release_is_supported_for_a_while_and_then_in_lts() -> None:
    released = [each for each in RELEASES.values() if each.is_released]
    dates = [(each.end_of_support, each.end_of_lts) for each in released]
    assert len(dates) == len(RELEASES) - 1
    assert all(first and last and first < last for first, last in dates)


def test_only_debian_testing_is_promised_nothing() -> None:
    assert [each.name for each in RELEASES.values() if not each.is_released] == ["debian-testing"]
    assert RELEASES["debian-testing"].end_of_lts is None


@pytest.mark.parametrize("openssh", [OPENSSH_8_9, OPENSSH_9_2], ids=["8.9", "9.2"])
def test_this_machines_openssh_knows_every_algorithm_of_the_oldest_releases(openssh: OpenSsh) -> None:
    """A name with a typo would keep sshd from starting: ssh refuses it in the same way."""
    options = [
        f"-oKexAlgorithms={','.join(openssh.kex)}",
        f"-oCiphers={','.join(openssh.ciphers)}",
        f"-oMACs={','.join(openssh.macs)}",
        f"-oHostKeyAlgorithms={','.join(openssh.host_keys)}",
        f"-oPubkeyAcceptedAlgorithms={','.join(openssh.user_keys)}",
    ]
    result = subprocess.run(["ssh", "-G", *options, "host"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_only_the_newest_openssh_knows_ml_kem() -> None:
    assert {name for name, release in RELEASES.items() if release.post_quantum_kex} == {
        "debian13",
        "debian-testing",
    }
