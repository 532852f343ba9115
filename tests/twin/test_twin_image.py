"""Base images: built once, kept by the archive's date, and clear about what is missing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from control import places
from control.errors import TrunklineError
from inventories.model import RELEASES
from twin import image, packages
from twin.archive import archive
from twin.proxy import Proxy
from twin.twin import Twin

TWIN = "pair"


def test_a_package_that_the_archive_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "PACKAGES_OF_IMAGE", ("no-such-package-anywhere",))
    port = Proxy().take("tests-image", archive())
    try:
        with pytest.raises(TrunklineError, match="The archive has no package no-such-package-anywhere"):
            image.image(RELEASES["debian13"], archive(), port, lambda _: None)
    finally:
        Proxy().leave("tests-image")
    assert not list((places.cache() / "images").glob("*.building"))


def test_an_image_that_exists_is_not_built_again(twin: Twin) -> None:
    told: list[str] = []
    port = Proxy().take("tests-image", archive())
    try:
        began = time.monotonic()
        path = image.image(RELEASES["debian12"], archive(), port, told.append)
    finally:
        Proxy().leave("tests-image")
    assert (path, told) == (twin.keepers["edge1"].disk.image, [])
    assert time.monotonic() - began < 5


def test_another_date_of_any_suite_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    suites = archive().suites(RELEASES["debian12"])
    dates = dict.fromkeys((suite.name for suite in suites), "Sat, 14 Nov 2026 09:00:00 UTC")
    monkeypatch.setattr(image, "_release_date", lambda suite, port: dates[suite.name])
    first = image.state(suites, 1)
    assert first.startswith("20261114T090000-")
    assert image.state(suites, 2) == first
    for suite in suites:
        monkeypatch.setitem(dates, suite.name, "Fri, 13 Nov 2026 09:00:00 UTC")
        assert image.state(suites, 1) != first
        monkeypatch.setitem(dates, suite.name, "Sat, 14 Nov 2026 09:00:00 UTC")


def test_an_image_holds_nothing_that_must_be_a_hosts_own(twin: Twin) -> None:
    root = twin.keepers["edge2"].disk.image
    assert not list(root.glob("etc/ssh/ssh_host_*"))
    assert (root / "etc/machine-id").read_text() == ""
    assert not (root / "etc/resolv.conf").exists()


def test_an_unused_image_is_deleted_after_a_week_and_a_used_one_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path / "home"))
    record = tmp_path / "home/twins/a/hosts/h/host.json"
    record.parent.mkdir(parents=True)
    images = [tmp_path / name for name in ("used", "old", "new")]
    for path in images:
        path.mkdir()
    record.write_text(f'{{"image": "{images[0]}"}}')
    for path in images[:2]:
        os.utime(path, (0, 0))
    image._forget_old(images)
    assert [path.exists() for path in images] == [True, False, True]


def test_a_file_is_never_put_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/etc").symlink_to("/tmp")
    with pytest.raises(TrunklineError, match="leads through the link etc"):
        image.put(tmp_path / "root", "/etc/x", "text")


def test_ubuntu_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(TrunklineError, match=r"ubuntu24\.04 cannot be booted in a twin: only Debian can"):
        image.image(RELEASES["ubuntu24.04"], archive(), 1, lambda _: None)


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = packages.Tool("no-such-program", "its-package", "does a thing")
    monkeypatch.setattr(packages, "TOOLS", (*packages.TOOLS, missing))
    with pytest.raises(
        TrunklineError, match=r"its-package \(does a thing\)\.\n  apt-get install .* its-package"
    ):
        packages.require()
