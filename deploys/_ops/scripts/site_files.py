"""Switch a site to a release. Arguments: its directory, the release, a tar of it, how many to keep.

The release is complete before a link leads to it, and links change by rename: every request finds all of one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile


def unpack(tar: str, place: str) -> None:
    """Make a release of a tar, readable for everybody, whatever a former attempt left."""
    staged = f"{place}.new"
    shutil.rmtree(staged, ignore_errors=True)
    os.makedirs(staged)
    with tarfile.open(tar) as packed:
        for member in packed:
            path = os.path.join(staged, member.name)
            if not member.isreg() or not os.path.realpath(path).startswith(f"{staged}/"):
                sys.exit(f"{tar} holds {member.name!r}, which is no file of a site; nothing was changed")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            source = packed.extractfile(member)
            with open(path, "xb") as file:
                shutil.copyfileobj(source, file)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            os.chmod(path, 0o644)
    if os.path.isdir(place):
        mend(place, staged)
    else:
        os.rename(staged, place)


def mend(place: str, staged: str) -> None:
    """Make a release that was changed by hand what it was, file by file, as it may be served meanwhile."""
    wanted = set()
    for folder, _, names in os.walk(staged):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), staged)
            wanted.add(path)
            os.makedirs(os.path.dirname(f"{place}/{path}"), exist_ok=True)
            os.replace(f"{staged}/{path}", f"{place}/{path}")
    for folder, _, names in os.walk(place):
        for name in names:
            if os.path.relpath(os.path.join(folder, name), place) not in wanted:
                os.unlink(os.path.join(folder, name))
    shutil.rmtree(staged)


def link(name: str, release: str) -> None:
    """Let a link lead to a release."""
    staged = f"{name}.new"
    if os.path.lexists(staged):
        os.unlink(staged)
    os.symlink(f"releases/{release}", staged)
    os.rename(staged, name)


def served(top: str, name: str) -> str:
    """Return the release that a link leads to, nothing when there is none."""
    path = f"{top}/{name}"
    return os.path.basename(os.readlink(path)) if os.path.islink(path) else ""


def main() -> None:
    """Unpack, switch, forget old releases."""
    top, release, tar, kept = sys.argv[1:]
    os.umask(0o022)
    releases = f"{top}/releases"
    os.makedirs(releases, exist_ok=True)
    if os.path.exists(tar):
        unpack(tar, f"{releases}/{release}")
        os.unlink(tar)
    os.utime(f"{releases}/{release}")
    before = served(top, "current")
    if before and before != release and os.path.isdir(f"{releases}/{before}"):
        link(f"{top}/previous", before)
    link(f"{top}/current", release)
    protected = {served(top, "current"), served(top, "previous")}
    every = (entry for entry in os.scandir(releases) if entry.name not in protected)
    by_age = sorted(every, key=lambda entry: entry.stat().st_mtime, reverse=True)
    for old in by_age[max(0, int(kept) - len(protected - {""})) :]:
        shutil.rmtree(old.path)


main()
