"""Drift: managed files as they stand now, and what stands beside them that no package brought."""

from __future__ import annotations

import glob
import grp
import hashlib
import json
import os
import pwd
import re
import subprocess
from typing import Any

from verify.on_host.section import SURROUNDINGS, Request, section, text

DROP_INS = (
    "/etc/ssh/sshd_config.d/*", "/etc/sudoers.d/*", "/etc/sysctl.d/*", "/etc/apt/apt.conf.d/*",
    "/etc/apt/preferences.d/*", "/etc/systemd/*.conf.d/*", "/etc/fail2ban/*.d/*", "/etc/chrony/*.d/*",
    "/etc/needrestart/conf.d/*", "/etc/profile.d/*", "/etc/ld.so.preload", "/etc/rc.local", "/etc/pam.d/*",
)  # fmt: skip
UNITS = (
    "/etc/systemd/system/*",
    "/etc/systemd/system/*.d/*",
    "/run/systemd/system/*",
    "/usr/local/lib/systemd/system/*",
)
CRON = ("/etc/crontab", "/etc/cron.*/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/*/*")


@section("managed_files")
def managed_files(request: Request) -> list[dict[str, Any]]:
    """Return how each file of the manifest stands on the disk, beside what the manifest says of it."""
    held = json.loads(text("/var/lib/trunkline/manifest.json") or "{}")
    wanted = [r for r in held.get("resources") or () if r.get("kind") == "file"]
    return [
        {
            "path": r.get("path") or r.get("name"),
            "recorded": r,
            "live": _state(r.get("path") or r.get("name")),
        }
        for r in wanted
    ]


def _state(path: str) -> dict[str, Any] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    state = {
        "mode": f"{status.st_mode & 0o7777:04o}",
        "owner": _name(pwd.getpwuid, status.st_uid),
        "group": _name(grp.getgrgid, status.st_gid),
    }
    if os.path.islink(path):
        return {**state, "target": os.readlink(path)}
    if os.path.isfile(path):
        with open(path, "rb") as file:
            return {**state, "sha256": hashlib.sha256(file.read()).hexdigest()}
    return state


def _name(look: Any, number: int) -> str:
    try:
        return str(look(number)[0])
    except KeyError:
        return str(number)


def _unowned(patterns: tuple[str, ...]) -> list[str]:
    """Return the files below the patterns that belong to no package."""
    paths = sorted(
        {p for pattern in patterns for p in glob.glob(pattern) if os.path.isfile(p) or os.path.islink(p)}
    )
    paths = [path for path in paths if not os.path.basename(path).startswith(".")]
    if not paths:
        return []
    done = subprocess.run(
        ["dpkg-query", "--search", *paths], env=SURROUNDINGS, capture_output=True, text=True, check=False
    )
    owned = {line.split(": ", 1)[1] for line in done.stdout.splitlines() if ": " in line}
    owned |= {line.split()[-1] for line in text("/var/lib/ucf/hashfile").splitlines() if line}
    return [path for path in paths if path not in owned]


@section("drop_ins")
def drop_ins(request: Request) -> list[str]:
    """Return configuration files that no package brought."""
    return _unowned(DROP_INS)


@section("foreign_units")
def foreign_units(request: Request) -> list[str]:
    """Return unit files and drop-ins made on this host; links that enable, alias or mask one are left out."""
    links = ("/usr/lib/", "/lib/", "/dev/null")
    found = _unowned(UNITS)
    return [p for p in found if not (os.path.islink(p) and os.path.realpath(p).startswith(links))]


@section("cron")
def cron(request: Request) -> list[str]:
    """Return cron jobs that no package brought."""
    return _unowned(CRON)


@section("conffiles")
def conffiles(request: Request) -> list[str]:
    """Return the packages' own configuration files whose content is no longer the package's."""
    changed = []
    for path, digest in re.findall(r"(?m)^ (/etc/\S+) ([0-9a-f]{32})$", text("/var/lib/dpkg/status")):
        try:
            with open(path, "rb") as file:
                if hashlib.md5(file.read(), usedforsecurity=False).hexdigest() != digest:
                    changed.append(path)
        except OSError:
            continue  # removed on purpose; dpkg respects that too
    return changed
