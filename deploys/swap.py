"""swap: one swap file, where it is declared."""

from __future__ import annotations

from dataclasses import dataclass

from deploys._ops import swap as space
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host, Swap


@dataclass(frozen=True)
class SwapUnit:
    """What the swap unit's template is made of."""

    path: str


def unit_of(declared: Swap) -> str:
    """Return the unit's name, which systemd derives from the path (systemd.swap(5))."""
    return declared.path.strip("/").replace("-", "\\x2d").replace("/", "-") + ".swap"


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return the swap unit; nothing where no swap is declared."""
    if host.swap is None:
        return []
    content = render("swap", "swapfile.swap", SwapUnit(host.swap.path))
    return [ManagedFile("swap", f"/etc/systemd/system/{unit_of(host.swap)}", content)]


def swap(host: Host, environment: Environment) -> None:
    """Make the file, declare it to systemd and use it."""
    if host.swap is None:
        return
    space.swap_file(host.swap.path, host.swap.size_mb, name="swap: file")
    reload = Checks(load=("systemctl", "daemon-reload"))
    managed_set("swap", files(host, environment), reload, name="swap: unit file")
    space.swap_used(unit_of(host.swap), host.swap.path, name="swap: unit")
