"""sysctl: kernel settings of all services, in the file that is read last and at run time."""

from __future__ import annotations

from deploys._ops import sysctl as kernel
from deploys._ops.files import managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host

PATH = "/etc/sysctl.d/zz-trunkline.conf"
"""Sorts behind 99-sysctl.conf, the link to /etc/sysctl.conf: the last value wins (sysctl.d(5))."""


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return the one file of kernel settings."""
    return [ManagedFile("sysctl", PATH, render("sysctl", "zz-trunkline.conf", host.sysctls(environment)))]


def sysctl(host: Host, environment: Environment) -> None:
    """Write the settings down and set those that differ, or are ours and no longer declared."""
    managed_set("sysctl", files(host, environment), name="sysctl: files")
    kernel.settings(host.sysctls(environment), name="sysctl: settings")
