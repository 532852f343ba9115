"""The disks of all hosts of a twin, each made from the image of its release."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inventories.model import Environment, Release
from twin.archive import Archive
from twin.authority import Authority
from twin.identity import controller_key
from twin.image import Progress, image
from twin.keeper import Keeper


def make_disks(
    environment: Environment,
    twin: str,
    keepers: Collection[Keeper],
    source: Archive,
    proxy_port: int,
    progress: Progress,
) -> None:
    """Make the disks that are not there yet; TrunklineError where one is of another release."""
    key = controller_key(twin)
    for keeper in keepers:
        if keeper.disk.exists():
            keeper.disk.refuse_another(keeper.host.os, key)
    absent = [keeper for keeper in keepers if not keeper.disk.exists()]
    releases: dict[str, Release] = {keeper.host.os: keeper.host.release for keeper in absent}

    def make(keeper: Keeper) -> None:
        progress(f"making the disk of {keeper.host.name}")
        base: Path = images[keeper.host.os]
        keeper.disk.make(keeper.host, environment.domain, base, key, Authority(twin).pem)

    with ThreadPoolExecutor() as pool:
        built = pool.map(lambda release: image(release, source, proxy_port, progress), releases.values())
        images = dict(zip(releases, built, strict=True))
        list(pool.map(make, absent))
