"""The order in which a host is served; `pyinfra inventories/lab.py deploys/site.py` runs it as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from deploys import (
    asterisk,
    certbot,
    compose,
    docker,
    fail2ban,
    firewall,
    journal,
    nginx,
    ssh,
    strongswan,
    swap,
    sysctl,
    time,
    updates,
    users,
)
from deploys._engine.entry import run_when_started_by_pyinfra
from deploys._engine.report import changed
from deploys._ops import apt, guard, live, manifest, orphans
from deploys._ops import sysctl as kernel
from deploys._ops.managed import ManagedFile
from deploys._ops.manifest import Resource, resource
from deploys.compose import UNKNOWN, Pins
from inventories.model import Environment, Host

SERVICES = (
    *(users, ssh, firewall, sysctl, time, journal, updates, fail2ban, swap),
    *(asterisk, docker, nginx, certbot),
)
GUARDED = (users, ssh, firewall, sysctl)
"""The services that could lock us out, beside tunnels."""
SYSTEM = ("ssh", "journal")
"""The services whose units were there before us and stay."""
KEPT = ("file", "symlink")
"""The kinds that are the manifest's business; a directory stays, with whatever others put into it."""


@dataclass(frozen=True)
class Found:
    """What only the host itself can say of what will stand on it."""

    pins: Pins = UNKNOWN
    """What images are exactly."""
    userland: bool | None = None
    """Whether charon does ESP; None: as declared."""


UNSEEN = Found()


def rendered(host: Host, environment: Environment, found: Found = UNSEEN) -> list[ManagedFile]:
    """Return every file as it will stand on the host; needs no host but for what it alone can say."""
    declared = [file for service in SERVICES for file in service.files(host, environment)]
    tunnels = strongswan.files(host, environment, found.userland)
    stacks = compose.files(host, environment, found.pins)
    return [*declared, *users.root_files(host, environment), firewall.loader(), *tunnels, *stacks]


def packages_of(host: Host) -> tuple[str, ...]:
    """Return the packages of the services that the host declares."""
    of_services = (names for service, names in host.release.packages.items() if service in host.services)
    return tuple(dict.fromkeys([*(name for names in of_services for name in names), *docker.packages(host)]))


def units_of(host: Host) -> tuple[str, ...]:
    """Return the units that run or are enabled because of us."""
    of_services = (names for service, names in host.release.units.items() if service in host.services)
    swaps = [swap.unit_of(host.swap)] if host.swap else []
    return tuple(
        dict.fromkeys([*(name for names in of_services for name in names), ssh.unit_of(host), *swaps])
    )


def own_units_of(host: Host) -> tuple[str, ...]:
    """Return the units that go when they are no longer declared; the system's own never do."""
    system = {name for service in SYSTEM for name in host.release.units[service]} | {ssh.unit_of(host)}
    return tuple(name for name in units_of(host) if name not in system)


def resources(host: Host, environment: Environment, seen: Found = UNSEEN) -> list[Resource]:
    """Return everything that will be on the host because of us, for its manifest."""
    found = [manifest.file_resource(file) for file in rendered(host, environment, seen) if file.kind in KEPT]
    found += [resource("user", user.name, "users") for user in host.users.accounts]
    found += [resource("package", name, "packages") for name in packages_of(host)]
    found += [resource("unit", name, "units") for name in own_units_of(host)]
    found += [resource("sysctl", key, "sysctl", value=v) for key, v in host.sysctls(environment).items()]
    found += [resource("stack", stack.name, "compose") for stack in compose.declared(host)]
    found += nginx.resources(host)
    return found + ([resource("swap", host.swap.path, "swap")] if host.swap else [])


def begin(host: Host, environment: Environment) -> tuple[Found, list[Resource]]:
    """Say once what all services want to know about the host, so that each fact is asked once.

    Returns what the host alone can say, and all that will be on it.
    """
    asked = compose.asked(host, live.Wanted())
    live.begin(asked)
    found = Found(compose.pins(host), strongswan.userland(host, environment))
    declared = resources(host, environment, found)
    asked = replace(
        asked,
        files=tuple(rendered(host, environment, found)),
        packages=packages_of(host),
        units=units_of(host),
        sysctls=tuple(host.sysctls(environment).items()),
        accounts=(*(user.name for user in host.users.accounts), "root"),
        swap=host.swap.path if host.swap else None,
    )
    live.begin(asked)
    live.begin(orphans.asked_for(asked, declared))
    return found, manifest.remembered(declared)


def guarded(host: Host, environment: Environment, keys: Iterable[str]) -> tuple[guard.Guarded, ...]:
    """Return what the guard remembers: keys, sshd, the firewall, kernel settings, the way to the network."""
    settings = guard.Guarded("sysctl", files=(sysctl.PATH,), sysctls=tuple(keys), routes=True)
    tunnels = [strongswan.guarded(host)] if host.strongswan else []
    return (users.guarded(host, environment), ssh.guarded(host), firewall.guarded(host), settings, *tunnels)


def endangering(host: Host, environment: Environment, found: Found) -> list[ManagedFile]:
    """Return the files whose change could lock us out."""
    of_services = (file for service in GUARDED for file in service.files(host, environment))
    return [*of_services, *strongswan.files(host, environment, found.userland)]


def site(host: Host, environment: Environment) -> None:
    """Bring one host to what is declared; what could lock us out stands between guard and confirmation."""
    found, declared = begin(host, environment)
    settings = kernel.due(host.sysctls(environment))
    intended = manifest.intend(declared, name="manifest: intend")
    docker.sources(host, environment)
    apt.packages(packages_of(host), name="packages: install")
    armed = guard.arm(
        guarded(host, environment, settings),
        endangering(host, environment, found),
        settings,
        name="guard: arm",
    )
    users.users(host, environment)
    ssh.ssh(host, environment)
    firewall.firewall(host, environment)
    sysctl.sysctl(host, environment)
    strongswan.strongswan(host, environment, found.userland)
    guard.confirm(armed, host.release.ssh_units, name="guard: confirm", _if=changed(armed))
    close(host, environment)
    time.time(host, environment)
    journal.journal(host, environment)
    updates.updates(host, environment)
    certbot.placeholders(host, environment)
    # Its log must be there before fail2ban reads it.
    asterisk.asterisk(host, environment)
    fail2ban.fail2ban(host, environment)
    swap.swap(host, environment)
    web(host, environment, found.pins)
    orphans.orphans(declared)
    manifest.narrow(name="manifest: narrow", _if=changed(intended))


def close(host: Host, environment: Environment) -> None:
    """Shut root's door and SSH's old port, now that a login is proven; a second guard awaits the next."""
    closing = users.root_files(host, environment)
    if ssh.old_ports(host):
        closing = [*closing, *ssh.files(host, environment), *firewall.files(host, environment)]
    remembered = (users.guarded(host, environment), ssh.guarded(host), firewall.guarded(host))
    armed = guard.arm_again(remembered, closing, name="guard: arm for the closing")
    users.close_root(host, environment)
    ssh.close_old_port(host, environment)
    firewall.close_old_port(host, environment)
    guard.confirm(armed, host.release.ssh_units, name="guard: confirm the closing", _if=changed(armed))


def web(host: Host, environment: Environment, pins: Pins) -> None:
    """Serve: every upstream has a file before nginx reads of it, as every name has a certificate already.

    The authority is asked last, when nginx answers for every name.
    """
    if host.docker:
        docker.docker(host, environment)
    compose.upstreams(host)
    nginx.nginx(host, environment)
    if host.compose:
        compose.compose(host, environment, pins)
    certbot.certbot(host, environment)


run_when_started_by_pyinfra(site)
