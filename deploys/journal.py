"""journal: how much log a host keeps."""

from __future__ import annotations

from deploys._engine.report import changed
from deploys._ops import systemd
from deploys._ops.files import managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host

DROP_IN = "/etc/systemd/journald.conf.d/90-trunkline.conf"


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return the drop-in of journald.conf(5)."""
    return [ManagedFile("journal", DROP_IN, render("journal", "90-trunkline.conf", host.journal))]


def journal(host: Host, environment: Environment) -> None:
    """Limit the journal and keep it over reboots."""
    written = managed_set("journal", files(host, environment), name="journal: files")
    systemd.act(
        "systemctl restart systemd-journald && journalctl --flush",
        name="journal: restart",
        _if=changed(written),
    )
