"""Base images: one directory a Debian release and archive state, shared read-only by all hosts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from control import places
from control.errors import TrunklineError
from inventories.model import Release
from twin.archive import KEYRING, Archive, Suite, apt_settings
from twin.provider import PACKAGES_OF_IMAGE, image_files

MORTAL = ("setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
"""What is started by this ends, with all of its own, when the command that wanted it is killed."""
WEEK = 7 * 24 * 3600
Progress = Callable[[str], None]
_MISSING = re.compile(r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate")
_DATE = re.compile(r"^Date: (.+)$", re.MULTILINE)


def image(release: Release, archive: Archive, proxy_port: int, progress: Progress) -> Path:
    """Return the image's directory; build it when this archive state has none yet."""
    if release.os_id != "debian":
        raise TrunklineError(
            f"{release.name} cannot be booted in a twin: only Debian can.",
            "Rehearse it as Debian, or deploy to a real host.",
        )
    suites, apt = archive.suites(release), apt_settings()
    directory = places.cache() / "images"
    directory.mkdir(parents=True, exist_ok=True)
    recipe = hashlib.sha256(repr((PACKAGES_OF_IMAGE, image_files(suites, apt))).encode()).hexdigest()[:8]
    path = directory / f"{release.name}-{_state(suites, proxy_port)}-{recipe}"
    with (directory / f"{release.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            progress(f"building the image of {release.name}")
            _build(path, suites, apt, proxy_port)
            _forget_old(directory.glob(f"{release.name}-*"))
        os.utime(path)
    return path


def _forget_old(images: Iterable[Path]) -> None:
    """Delete images that no disk was made from for a week and that no twin's disk stands on."""
    records = places.twin_of("any").parent.glob("*/hosts/*/host.json")
    standing = " ".join(record.read_text() for record in records)
    for path in images:
        if path.is_dir() and path.name not in standing and path.stat().st_mtime < time.time() - WEEK:
            shutil.rmtree(path, ignore_errors=True)


def _state(suites: tuple[Suite, ...], proxy_port: int) -> str:
    """The newest Release date of the suites and a digest of all of them."""
    dates = [_release_date(suite, proxy_port) for suite in suites]
    digest = hashlib.sha256(repr(dates).encode()).hexdigest()[:6]
    return f"{max(parsedate_to_datetime(date) for date in dates):%Y%m%dT%H%M%S}-{digest}"


def _release_date(suite: Suite, proxy_port: int) -> str:
    opener = build_opener(ProxyHandler({"http": f"http://127.0.0.1:{proxy_port}"}))
    address = f"{suite.plain}/dists/{suite.name}/InRelease"
    try:
        text = opener.open(address, timeout=30).read(4096).decode(errors="replace")
    except (URLError, OSError) as error:
        raise TrunklineError(
            f"The archive does not give {address}: {error}.",
            "Check that `apt-get update` works on this machine.",
        ) from None
    match = _DATE.search(text)
    if not match:
        raise TrunklineError(f"{address} has no Date.", "Check the archive that this machine's apt uses.")
    return match[1]


def _build(path: Path, suites: tuple[Suite, ...], apt: dict[str, str], proxy_port: int) -> None:
    building = path.with_name(f"{path.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    options = {"Acquire::http::Proxy": f"http://127.0.0.1:{proxy_port}", "Acquire::Languages": "none"} | apt
    argv = [
        *MORTAL,
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory"),
        *(f'--aptopt={name} "{value}"' for name, value in options.items()),
        *("--dpkgopt=force-unsafe-io", f"--keyring={KEYRING}"),
        *("--skip=output/dev", f"--include={','.join(PACKAGES_OF_IMAGE)}"),
        *(suites[0].name, str(building), *(suite.source for suite in suites)),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if done.returncode:
        shutil.rmtree(building, ignore_errors=True)
        raise TrunklineError(_why(done.stderr), "Check that `apt-get update` works here, then try again.")
    _as_delivered(building, image_files(suites, apt))
    building.rename(path)


def _why(said: str) -> str:
    missing = _MISSING.findall(said)
    if missing:
        names = ", ".join(sorted({one or other for one, other in missing}))
        return f"The archive has no package {names}, which a base image needs."
    lines = [line for line in said.splitlines() if line.startswith("E:")] or said.strip().splitlines()
    return f"A base image could not be built: {' '.join(lines[:3])[:500]}"


def _as_delivered(root: Path, files: dict[str, str]) -> None:
    """Take away what must be a host's own, and put in what every host has."""
    own = ("etc/ssh/ssh_host_*", "etc/hostname", "etc/resolv.conf", "etc/apt/apt.conf.d/99mmdebstrap")
    for pattern in own:
        for file in root.glob(pattern):
            file.unlink()
    (root / "etc/machine-id").write_text("")
    for name, text in files.items():
        put(root, name, text)


def put(root: Path, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file below a root that no host runs on; a link on the way is refused: it would lead outside."""
    path = root / name.lstrip("/")
    for parent in reversed(path.relative_to(root).parents):
        if (root / parent).is_symlink():
            raise TrunklineError(f"{name} leads through the link {parent}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
