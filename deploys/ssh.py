"""ssh: keys only, modern algorithms only, no root; a new port opens before the old one closes."""

from __future__ import annotations

from dataclasses import dataclass

from deploys._ops import live, systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.guard import Guarded
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host, Network, Release, Ssh
from inventories.model.openssh import OpenSsh


@dataclass(frozen=True)
class Daemon:
    """What the templates are made of."""

    declared: Ssh
    openssh: OpenSsh
    ports: tuple[int, ...]
    users: tuple[str, ...]
    controllers: tuple[Network, ...]
    socket_activated: bool


def socket_drop_in(release: Release) -> str:
    """Return where the socket unit's ports stand: read behind what sshd's own generator made."""
    return f"/etc/systemd/system/{release.ssh_socket}.d/trunkline.conf"


def files(host: Host, environment: Environment, old_ports: tuple[int, ...] = ()) -> list[ManagedFile]:
    """Return sshd's configuration: ours sorts before the providers', and the first value wins.

    sshd_config itself is written whole, so that it surely includes the drop-ins and adds nothing of its own.
    """
    release = host.release
    daemon = Daemon(
        declared=host.ssh,
        openssh=release.openssh,
        ports=(host.ssh.port, *old_ports),
        users=tuple(user.name for user in host.users.accounts),
        controllers=environment.controllers,
        socket_activated=release.ssh_socket_activated,
    )
    drop_in = f"{release.ssh_drop_ins}/10-trunkline.conf"
    found = [
        ManagedFile("ssh", drop_in, render("ssh", "10-trunkline.conf", daemon), mode="0600"),
        ManagedFile("ssh", release.ssh_config, render("ssh", "sshd_config", daemon)),
    ]
    if release.ssh_socket_activated:
        found.append(ManagedFile("ssh", socket_drop_in(release), render("ssh", "trunkline.conf", daemon)))
    return found


def checks(host: Host) -> Checks:
    """Return how sshd reads its configuration before it is put in place, and takes it on without a cut."""
    return Checks(
        check=("sh", "-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -t"),
        check_tree=("/etc/ssh",),
        load=("sh", "-c", " && ".join(" ".join(command) for command in activation(host))),
        loaded=("systemctl", "is-active", unit_of(host)),
        loaded_within=5,
    )


def activation(host: Host) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make a new configuration effective without ending a session."""
    release = host.release
    if not release.ssh_socket_activated:
        return (("systemctl", "reload-or-restart", release.ssh_unit),)
    stop, restart = ("systemctl", "stop", release.ssh_unit), ("systemctl", "restart", release.ssh_socket)
    return (("systemctl", "daemon-reload"), stop, restart)


def unit_of(host: Host) -> str:
    """Return the unit that must be enabled for logins to be taken."""
    return host.release.ssh_socket if host.release.ssh_socket_activated else host.release.ssh_unit


def old_ports(host: Host) -> tuple[int, ...]:
    """Return the ports on which logins are taken now and will not be."""
    return tuple(port for port in live.system()["ssh_ports"] if port != host.ssh.port)


def guarded(host: Host) -> Guarded:
    """Return what the guard remembers of sshd."""
    release = host.release
    remembered = (release.ssh_config, f"{release.ssh_drop_ins}/*", socket_drop_in(release))
    return Guarded("ssh", files=remembered, reload=activation(host), units=(unit_of(host),))


def ssh(host: Host, environment: Environment) -> None:
    """Write and activate the configuration, with the old port beside the new one while there are two."""
    declared = files(host, environment, old_ports(host))
    managed_set("ssh", declared, checks(host), name="ssh: files")
    systemd.unit(unit_of(host), name="ssh: unit")


def close_old_port(host: Host, environment: Environment) -> None:
    """Stop listening on the old port, now that a login over the new one is proven."""
    if old_ports(host):
        managed_set("ssh", files(host, environment), checks(host), name="ssh: close the old port")
