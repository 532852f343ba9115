"""journal: how much log a host keeps."""

from __future__ import annotations

from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host

RESTART = ("sh", "-c", "systemctl restart systemd-journald && journalctl --flush")
DROP_IN = "/etc/systemd/journald.conf.d/90-trunkline.conf"


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return the drop-in of journald.conf(5)."""
    return [ManagedFile("journal", DROP_IN, render("journal", "90-trunkline.conf", host.journal))]


def journal(host: Host, environment: Environment) -> None:
    """Limit the journal and keep it over reboots."""
    managed_set("journal", files(host, environment), Checks(load=RESTART), name="journal: files")
