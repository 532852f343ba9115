"""Private directories on the file system where a file will stand, because rename(2) does not cross mounts."""

from __future__ import annotations

import os

from . import durable
from .places import on_disk, prefix, state

_ELSEWHERE = ".trunkline-staging"


def staging_for(path: str) -> str:
    """A private directory (0700) from which a rename to `path` works."""
    parent = os.path.dirname(on_disk(path))
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    home = state()
    mounts = _mount_points()
    mount = mount_of(os.path.realpath(parent), mounts)
    if mount == mount_of(os.path.realpath(home), mounts):
        staging = state("staging")
    else:
        staging = os.path.join(mount, _ELSEWHERE)
        _remember(staging)
    durable.make_dir(staging)
    return staging


def clear_staging() -> None:
    """Drop what an earlier command left staged; nothing in there was ever in force."""
    durable.remove_tree(state("staging"))
    elsewhere = durable.read_json(state("staging.json")) or []
    for staging in elsewhere:
        durable.remove_tree(staging)
    if elsewhere:
        durable.unlink(state("staging.json"))


def mount_of(place: str, mounts: list[str]) -> str:
    """The mount point below which an absolute real path lies (proc_pid_mountinfo(5): the longest prefix)."""
    return max(
        (mount for mount in mounts if place == mount or place.startswith(mount.rstrip("/") + "/")),
        key=len,
        default="/",
    )


def _mount_points() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [_unescape(line.split(" ")[4]) for line in file]


def _unescape(text: str) -> str:
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text


def _remember(staging: str) -> None:
    known = durable.read_json(state("staging.json")) or []
    if staging not in known and staging != prefix():
        durable.write_json(state("staging.json"), [*known, staging])
