"""What the pages tell a reader to type exists, and what they show as an inventory is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from declared import environment, users

import tasks
from inventories.model import Host, Secret, checked
from inventories.model.strongswan import Peer, Strongswan
from verify.checks import catalogue

PAGES = sorted((Path(tasks.__file__).parent / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"\binvoke ([a-z][a-z.]*[a-z])", page.read_text(encoding="utf-8")))
    assert named
    assert named <= set(tasks.namespace.task_names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_check_that_a_page_names_exists(page: Path) -> None:
    known = {check.id for check in catalogue()}
    services = {name.partition(".")[0] for name in known}
    written = re.findall(r"`([a-z0-9]+)\.([a-z_]+)`", page.read_text(encoding="utf-8"))
    named = {f"{service}.{claim}" for service, claim in written if service in services}
    assert named
    assert named - set(tasks.namespace.task_names) <= known


def test_the_tunnel_that_the_page_declares_is_accepted() -> None:
    page = (Path(tasks.__file__).parent / "docs/vpn.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found
    known = {"Host": Host, "Secret": Secret, "Peer": Peer, "Strongswan": Strongswan, "users": users()}

    def declare() -> object:
        exec(found.group(1), known)
        return environment(known["vpn1"])

    assert checked(declare)
