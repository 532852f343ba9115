"""What the pages tell a reader to type exists, and what they show as an inventory is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from declared import environment, users

import tasks
from inventories import model
from inventories.model import checked
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


@pytest.mark.parametrize(("name", "host"), [("vpn.md", "vpn1"), ("telephony.md", "pbx1")])
def test_what_a_page_declares_is_accepted(name: str, host: str) -> None:
    page = (Path(tasks.__file__).parent / "docs" / name).read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found
    known = {**vars(model), "users": users()}

    def declare() -> object:
        exec(found.group(1), known)
        return environment(known[host])

    assert checked(declare)
