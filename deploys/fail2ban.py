"""fail2ban: the jails that the services contribute; bans stand in the packet filter before UFW's accepts."""

from __future__ import annotations

from dataclasses import dataclass

from deploys._ops import systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host, Jail, Network, PortRange
from inventories.model.values import Protocol

PACKAGES = ("fail2ban", "python3-systemd", "nftables")
UNIT = "fail2ban.service"
ALL_PORTS = 65535
ETC = "/etc/fail2ban"
CHECKS = Checks(
    check=("fail2ban-client", "--test"),
    check_tree=(ETC,),
    load=("systemctl", "restart", UNIT),
    loaded=("fail2ban-client", "ping"),
    loaded_within=20,
)
"""A reload would bring no changed action to the kernel; the socket answers a moment after the unit is up."""


@dataclass(frozen=True)
class Action:
    """What a ban takes away of one protocol; fail2ban's own nftables action does it for v4 and v6."""

    name: str
    protocol: Protocol
    ranges: tuple[PortRange, ...]

    @property
    def type(self) -> str:
        """The action's way to match: `allports` where every port is lost, as a set of 65,535 would be."""
        return "allports" if any(len(ports) == ALL_PORTS for ports in self.ranges) else "multiport"

    @property
    def ports(self) -> str:
        """The ports that a banned address loses, as fail2ban writes them."""
        pairs = ((ports.first, ports.last) for ports in self.ranges)
        return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in pairs)


@dataclass(frozen=True)
class Banned:
    """A jail as jail.conf(5) wants it."""

    jail: Jail

    @property
    def actions(self) -> tuple[Action, ...]:
        """One action a protocol: no port is lost for a protocol in which the jail does not have it."""
        found: dict[Protocol, dict[PortRange, None]] = {}
        for opening in self.jail.openings:
            found.setdefault(opening.protocol, {})[opening.ports] = None
        return tuple(Action(f"{self.jail.name}-{name}", name, tuple(ports)) for name, ports in found.items())


@dataclass(frozen=True)
class Bans:
    """What the templates are made of."""

    never: tuple[Network, ...]
    increment: bool
    longest: int
    jails: tuple[Banned, ...]

    @property
    def always(self) -> tuple[str, ...]:
        """Whom no jail ever bans, the host itself first."""
        return ("127.0.0.0/8", "::1", *map(str, self.never))


def bans_of(host: Host, environment: Environment) -> Bans:
    """Return this host's jails and whom they never ban."""
    return Bans(
        never=environment.never_banned(host),
        increment=host.fail2ban.ban_time_increment,
        longest=host.fail2ban.max_ban_time,
        jails=tuple(Banned(jail) for jail in host.jails(environment)),
    )


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return our jails; the distribution's own jail file goes, or it would add to them."""
    bans = bans_of(host, environment)
    return [
        ManagedFile("fail2ban", f"{ETC}/jail.local", render("fail2ban", "jail.local", bans)),
        ManagedFile("fail2ban", f"{ETC}/fail2ban.local", render("fail2ban", "fail2ban.local", bans)),
        ManagedFile("fail2ban", f"{ETC}/jail.d/defaults-debian.conf", kind="absent"),
    ]


def fail2ban(host: Host, environment: Environment) -> None:
    """Write the jails, have fail2ban read them before and answer after they are put in place."""
    managed_set("fail2ban", files(host, environment), CHECKS, name="fail2ban: files")
    systemd.unit(UNIT, name="fail2ban: unit")
