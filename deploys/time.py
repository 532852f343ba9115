"""time: the declared servers through chrony, and the time zone."""

from __future__ import annotations

from deploys._ops import systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host

PACKAGES = ("chrony", "tzdata")


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return chrony.conf(5) as a whole, and the zone in both of its places."""
    zone, config = host.time.zone, host.release.time_config
    return [
        ManagedFile("time", config, render("time", "chrony.conf", host.time)),
        ManagedFile("time", "/etc/localtime", kind="symlink", target=f"/usr/share/zoneinfo/{zone}"),
        ManagedFile("time", "/etc/timezone", render("time", "timezone", host.time)),
    ]


def time(host: Host, environment: Environment) -> None:
    """Keep the clock by chrony; the package itself takes systemd-timesyncd away."""
    unit = host.release.time_unit
    restart = Checks(load=("systemctl", "restart", unit))
    managed_set("time", files(host, environment), restart, name="time: files")
    systemd.unit(unit, name="time: unit")
