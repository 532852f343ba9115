"""Base images: one directory a Debian release and archive state, shared read-only by all hosts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from control import places
from control.errors import TrunklineError
from inventories.model import Release
from twin.archive import KEYRING, Archive, Suite, apt_settings
from twin.provider import PACKAGES_OF_IMAGE, image_files

MORTAL = ("setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
"""What is started by this ends, with all of its own, when the command that wanted it is killed."""
WEEK = 7 * 24 * 3600
TRIES = 5
"""How often a cache that is busy is asked again, a second apart."""
Progress = Callable[[str], None]
_MISSING = re.compile(r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate")
_DATE = re.compile(r"^Date: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """What an image is made of."""

    name: str
    suites: tuple[Suite, ...]
    packages: tuple[str, ...]
    files: dict[str, str]
    """Put in at the end: path -> text."""
    before: dict[str, str] = field(default_factory=dict)
    """Put in before anything is installed: path -> text."""
    beside: tuple[str, ...] = ()
    """More lines of sources.list(5); their state does not make the image another one."""

    @property
    def digest(self) -> str:
        """What changes with the recipe."""
        parts = (self.packages, self.files, *((self.before, self.beside) if self.before else ()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def image(release: Release, archive: Archive, proxy_port: int, progress: Progress) -> Path:
    """Return the directory of a release's image; build it when this archive state has none yet."""
    if release.os_id != "debian":
        raise TrunklineError(
            f"{release.name} cannot be booted in a twin: only Debian can.",
            "Rehearse it as Debian, or deploy to a real host.",
        )
    suites = archive.suites(release)
    recipe = Recipe(release.name, suites, PACKAGES_OF_IMAGE, image_files(suites, apt_settings()))
    return made(recipe, proxy_port, progress)


def made(recipe: Recipe, proxy_port: int, progress: Progress) -> Path:
    """Return the directory of a recipe's image; build it when this archive state has none yet."""
    directory = places.cache() / "images"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{recipe.name}-{state(recipe.suites, proxy_port)}-{recipe.digest}"
    with (directory / f"{recipe.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            progress(f"building the image of {recipe.name}")
            _build(path, recipe, proxy_port)
            _forget_old(directory.glob(f"{recipe.name}-*"))
        os.utime(path)
    return path


def _forget_old(images: Iterable[Path]) -> None:
    """Delete images that no disk was made from for a week and that no twin's disk stands on."""
    twins = places.twin_of("any").parent
    records = (*twins.glob("*/hosts/*/host.json"), *twins.glob("*/*.image"))
    standing = " ".join(record.read_text() for record in records)
    for path in images:
        if path.is_dir() and path.name not in standing and path.stat().st_mtime < time.time() - WEEK:
            shutil.rmtree(path, ignore_errors=True)


def state(suites: tuple[Suite, ...], proxy_port: int) -> str:
    """Return the newest Release date of the suites and a digest of all of them."""
    dates = [_release_date(suite, proxy_port) for suite in suites]
    digest = hashlib.sha256(repr(dates).encode()).hexdigest()[:6]
    return f"{max(parsedate_to_datetime(date) for date in dates):%Y%m%dT%H%M%S}-{digest}"


def _release_date(suite: Suite, proxy_port: int) -> str:
    opener = build_opener(ProxyHandler({"http": f"http://127.0.0.1:{proxy_port}"}))
    address = f"{suite.plain}/dists/{suite.name}/InRelease"
    for patience in (*(1.0,) * TRIES, 0.0):
        try:
            text = opener.open(address, timeout=30).read(4096).decode(errors="replace")
            break
        except OSError as error:
            # The cache answers 503 while another twin has it fetch the very same file.
            if not patience or getattr(error, "code", 503) != 503:
                raise TrunklineError(
                    f"The archive does not give {address}: {error}.",
                    "Check that `apt-get update` works on this machine.",
                ) from None
            time.sleep(patience)
    match = _DATE.search(text)
    if not match:
        raise TrunklineError(f"{address} has no Date.", "Check the archive that this machine's apt uses.")
    return match[1]


def _build(path: Path, recipe: Recipe, proxy_port: int) -> None:
    building, before = path.with_name(f"{path.name}.building"), path.with_name(f"{path.name}.before")
    for directory in (building, before):
        shutil.rmtree(directory, ignore_errors=True)
    for name, text in recipe.before.items():
        put(before, name, text)
    hook = [f'--setup-hook=cp -r {shlex.quote(str(before))}/. "$1"'] if recipe.before else []
    proxy = f"http://127.0.0.1:{proxy_port}"
    options = {"Acquire::http::Proxy": proxy, "Acquire::Languages": "none"} | apt_settings()
    argv = [
        *MORTAL,
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory", *hook),
        *(f'--aptopt={name} "{value}"' for name, value in options.items()),
        *("--dpkgopt=force-unsafe-io", f"--keyring={KEYRING}"),
        *("--skip=output/dev", f"--include={','.join(recipe.packages)}"),
        *(recipe.suites[0].name, str(building), *(suite.source for suite in recipe.suites), *recipe.beside),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    shutil.rmtree(before, ignore_errors=True)
    if done.returncode:
        shutil.rmtree(building, ignore_errors=True)
        raise TrunklineError(_why(done.stderr), "Check that `apt-get update` works here, then try again.")
    _as_delivered(building, recipe.files)
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
