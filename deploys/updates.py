"""updates: security upgrades every night, and nothing restarted that must not be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploys._ops import systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host, Release

PACKAGES = ("unattended-upgrades", "needrestart")
UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")


@dataclass(frozen=True)
class Upgrades:
    """What the templates are made of."""

    origins: tuple[str, ...]
    blocked: tuple[str, ...]
    remove_unused: bool
    reboot_at: str | None
    undisturbed: tuple[str, ...]
    """Patterns of Perl (perlre), one a unit."""


def upgrades_of(host: Host, environment: Environment) -> Upgrades:
    """Return what this host upgrades by itself and leaves undisturbed."""
    return Upgrades(
        origins=host.release.security_origins,
        blocked=host.updates.blocked,
        remove_unused=host.updates.remove_unused,
        reboot_at=host.updates.reboot_at,
        undisturbed=tuple(dict.fromkeys(map(pattern, host.undisturbed(environment)))),
    )


def pattern(unit: str) -> str:
    """Return a unit's name as a pattern of Perl: an `@` would be read as the name of an array."""
    return re.sub(r"(\W)", r"\\\1", unit)


def needrestart(release: Release) -> str:
    """Return the path of needrestart's settings that are read after everybody else's."""
    return f"{release.needrestart_drop_ins}/zz-trunkline.conf"


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return APT's schedule, the upgrades' own settings and needrestart's."""
    upgrades = upgrades_of(host, environment)
    paths = {
        "20auto-upgrades": "/etc/apt/apt.conf.d/20auto-upgrades",
        "50unattended-upgrades": "/etc/apt/apt.conf.d/50unattended-upgrades",
        "zz-trunkline.conf": needrestart(host.release),
    }
    return [ManagedFile("updates", path, render("updates", name, upgrades)) for name, path in paths.items()]


def updates(host: Host, environment: Environment) -> None:
    """Declare the upgrades, have apt and perl read the files, and keep the timers running."""
    settings = needrestart(host.release)
    read = f"apt-config dump >/dev/null && perl -c {settings}"
    checks = Checks(check=("sh", "-c", read), check_tree=("/etc/apt/apt.conf.d", settings))
    managed_set("updates", files(host, environment), checks, name="updates: files")
    for unit in UNITS:
        systemd.unit(unit, name=f"updates: {unit}")
