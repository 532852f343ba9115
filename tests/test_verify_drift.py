"""What nobody declared is told apart from what a deploy of ours, or the system itself, wrote."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from inventories.model import load
from verify.snapshot import Snapshot
from verify.test_drift import test_apt_sources_are_known as apt_sources_are_known
from verify.test_drift import test_units_are_known as units_are_known
from verify.verdict import Warned

WEB = load("lab").host("web1")
OWN = "/etc/apt/sources.list.d/docker.sources"
SOURCES = [
    ["Debian", "http://archive.test/debian/", "trixie", "/etc/apt/sources.list.d/debian.sources:1"],
    ["Docker", "https://engine.test/linux/debian/", "trixie", f"{OWN}:1"],
]


SNAPS = ["/etc/systemd/system/snap-core22-1748.mount", "/etc/systemd/system/snap.lxd.daemon.service"]


def snapshot(*managed: str, units: Sequence[str] = ()) -> Snapshot:
    """Return a snapshot of a host whose manifest names these files, and on which these units were made."""
    files = [{"path": path, "recorded": {}, "live": {}} for path in managed]
    values = {"apt_sources": SOURCES, "managed_files": files, "foreign_units": list(units)}
    return Snapshot(0.0, 0.0, {name: {"value": value} for name, value in values.items()})


def test_a_package_source_that_a_deploy_wrote_is_known() -> None:
    apt_sources_are_known(WEB, snapshot(OWN))


def test_the_same_source_without_a_declaration_is_told() -> None:
    with pytest.raises(Warned, match=OWN):
        apt_sources_are_known(WEB, snapshot("/etc/docker/daemon.json"))


@pytest.mark.parametrize("release", ["ubuntu22.04", "ubuntu24.04"])
def test_the_units_that_snapd_makes_are_known_where_it_is_part_of_the_system(release: str) -> None:
    host = WEB.model_copy(update={"os": release})
    units_are_known(host, snapshot(units=SNAPS))
    beside = snapshot(units=[*SNAPS, "/etc/systemd/system/snapper.service"])
    with pytest.raises(Warned, match=r"snapper\.service"):
        units_are_known(host, beside)


def test_where_snapd_is_no_part_of_the_system_its_units_are_told() -> None:
    with pytest.raises(Warned, match=SNAPS[0]):
        units_are_known(WEB, snapshot(units=SNAPS))
