"""What the last manifest names and the declaration no longer has: stopped, masked, locked, taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deploys._ops import accounts, files, manifest, site_files, stack, swap, systemd
from deploys._ops.live import Wanted
from deploys._ops.managed import ManagedFile

ESSENTIAL_UNITS = (
    "ssh.",
    "sshd.",
    "systemd-",
    "dbus",
    "networking.",
    "NetworkManager.",
    "netplan-",
    "cloud-",
)
"""How the system's own units begin: whatever a manifest says, without them a host cannot be reached."""
ESSENTIAL_FILES = ("/etc/ssh/sshd_config", "/etc/sudoers", "/etc/fstab", "/etc/localtime")
"""Files that the system itself lives by: they stay as they are when nobody declares them any longer."""

RELOAD = "systemctl daemon-reload && { ! systemctl is-active --quiet nginx || systemctl reload nginx; }"
"""Whose files they were is not asked: a reload of what did not change disturbs nobody."""


def orphaned_files(declared: Sequence[manifest.Resource]) -> list[ManagedFile]:
    """Return the absence of every file that is no longer declared; an account's keys go with the account."""
    homes = tuple(f"/home/{name}/" for name in manifest.gone(declared, "user"))
    gone = (path for path in manifest.gone(declared, "file") if not path.startswith(homes))
    return [ManagedFile("orphans", path, kind="absent") for path in gone if path not in ESSENTIAL_FILES]


def orphaned_units(declared: Sequence[manifest.Resource]) -> tuple[str, ...]:
    """Return the units that are no longer declared, but for those that a host cannot be without."""
    gone = manifest.gone(declared, "unit")
    return tuple(unit for unit in gone if not unit.startswith(ESSENTIAL_UNITS))


def asked_for(wanted: Wanted, declared: Sequence[manifest.Resource]) -> Wanted:
    """Return the questions about a host with those about what is no longer declared."""
    return replace(
        wanted,
        files=(*wanted.files, *orphaned_files(declared)),
        units=(*wanted.units, *orphaned_units(declared)),
        sysctls=(*wanted.sysctls, *((key, "") for key in manifest.gone(declared, "sysctl"))),
        accounts=(*wanted.accounts, *manifest.gone(declared, "user")),
    )


def orphans(declared: Sequence[manifest.Resource]) -> None:
    """Take away what is no longer declared. Packages stay installed; homes, volumes, certificates and data
    stay too."""
    stack.removed(manifest.gone(declared, "stack"), name="orphans: stacks")
    site_files.removed(declared, name="orphans: sites")
    systemd.removed(orphaned_units(declared), name="orphans: units")
    reload = files.Checks(load=("sh", "-c", RELOAD))
    files.managed_set("orphans", orphaned_files(declared), reload, name="orphans: files")
    accounts.locked(manifest.gone(declared, "user"), name="orphans: accounts")
    swap.swap_removed(manifest.gone(declared, "swap"), name="orphans: swap")
