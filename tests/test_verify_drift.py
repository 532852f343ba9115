"""What nobody declared is told apart from what a deploy of ours wrote."""

from __future__ import annotations

import pytest

from inventories.model import load
from verify.snapshot import Snapshot
from verify.test_drift import test_apt_sources_are_known as apt_sources_are_known
from verify.verdict import Warned

WEB = load("lab").host("web1")
OWN = "/etc/apt/sources.list.d/docker.sources"
SOURCES = [
    ["Debian", "http://archive.test/debian/", "trixie", "/etc/apt/sources.list.d/debian.sources:1"],
    ["Docker", "https://engine.test/linux/debian/", "trixie", f"{OWN}:1"],
]


def snapshot(*managed: str) -> Snapshot:
    """Return a snapshot of a host whose manifest names these files."""
    files = [{"path": path, "recorded": {}, "live": {}} for path in managed]
    values = {"apt_sources": SOURCES, "managed_files": files}
    return Snapshot(0.0, 0.0, {name: {"value": value} for name, value in values.items()})


def test_a_package_source_that_a_deploy_wrote_is_known() -> None:
    apt_sources_are_known(WEB, snapshot(OWN))


def test_the_same_source_without_a_declaration_is_told() -> None:
    with pytest.raises(Warned, match=OWN):
        apt_sources_are_known(WEB, snapshot("/etc/docker/daemon.json"))
