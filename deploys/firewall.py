"""firewall: UFW reconciled to exactly the declared openings, loaded at one stroke."""

from __future__ import annotations

from dataclasses import dataclass

from deploys._ops import live, systemd, ufw
from deploys._ops.files import Checks, managed_set
from deploys._ops.guard import Guarded
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from deploys._ops.script import text
from deploys._ops.ufw import Rule, Version
from deploys.ssh import old_ports
from inventories.model import Environment, Firewall, Forward, Host, Opening

LOADER = "/usr/local/lib/trunkline/firewall"
UNIT = "ufw.service"
CHECKS = Checks(check=(LOADER, "test"), check_tree=("/etc/ufw", "/etc/default/ufw"), load=(LOADER, "load"))
FAMILIES = ("before", "after", "user")


@dataclass(frozen=True)
class Family:
    """One address family's rules, as the templates want them."""

    declared: Firewall
    version: Version
    rules: tuple[Rule, ...]
    forwards: tuple[Rule, ...]

    @property
    def prefix(self) -> str:
        """How UFW's chains of this family begin."""
        return "ufw" if self.version == 4 else "ufw6"


def family(
    host: Host, openings: tuple[Opening, ...], forwarded: tuple[Forward, ...], version: Version
) -> Family:
    """Return what one address family admits and passes on."""
    admitted = ufw.rules(openings, version)
    passed_on = ufw.forwards(forwarded, version)
    return Family(host.firewall, version, tuple(admitted), tuple(passed_on))


def loader() -> ManagedFile:
    """Return the program that loads UFW's files without a gap."""
    return ManagedFile("firewall", LOADER, text("firewall"), mode="0755")


def files(host: Host, environment: Environment, extra: tuple[Opening, ...] = ()) -> list[ManagedFile]:
    """Return all of UFW's files: what is not in them is not admitted."""
    openings = (*host.openings(environment), *extra)
    found = [
        ManagedFile("firewall", "/etc/ufw/ufw.conf", render("firewall", "ufw.conf", host.firewall)),
        ManagedFile("firewall", "/etc/default/ufw", render("firewall", "ufw", host.firewall)),
    ]
    for version, suffix in ((4, ""), (6, "6")):
        rules = family(host, openings, host.forwards(environment), 4 if version == 4 else 6)
        for name in FAMILIES:
            content = render("firewall", f"{name}{suffix}.rules", rules)
            found.append(ManagedFile("firewall", f"/etc/ufw/{name}{suffix}.rules", content, mode="0640"))
    return found


def old_ssh(host: Host, environment: Environment) -> tuple[Opening, ...]:
    """Return the openings of SSH ports that are still in use and will not be."""
    ours = next(host.ssh.openings(host, environment))
    return tuple(Opening.port(port, "tcp", "SSH, old port", ours.sources) for port in old_ports(host))


def guarded(host: Host) -> Guarded:
    """Return what the guard remembers of the firewall."""
    return Guarded("firewall", files=("/etc/ufw", "/etc/default/ufw"), units=(UNIT,))


def firewall(host: Host, environment: Environment) -> None:
    """Write UFW's files, load them in one transaction a family, and have UFW load them at boot."""
    managed_set("firewall-loader", [loader()], name="firewall: loader")
    declared = files(host, environment, old_ssh(host, environment))
    managed_set("firewall", declared, CHECKS, name="firewall: rules", loaded=firewall_holds)
    systemd.unit(UNIT, name="firewall: unit")


def firewall_holds() -> bool:
    """Say whether the kernel holds what UFW's files say."""
    return bool(live.system()["firewall_loaded"])


def close_old_port(host: Host, environment: Environment) -> None:
    """Close SSH's old port, now that a login over the new one is proven."""
    if old_ports(host):
        managed_set("firewall", files(host, environment), CHECKS, name="firewall: close SSH's old port")
