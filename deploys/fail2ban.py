"""fail2ban: the jails that the services contribute; bans stand in the packet filter before UFW's accepts."""

from __future__ import annotations

from dataclasses import dataclass

from deploys._ops import systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import Environment, Host, Jail, Network

PACKAGES = ("fail2ban", "python3-systemd", "nftables")
UNIT = "fail2ban.service"
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
class Banned:
    """A jail as jail.conf(5) wants it."""

    jail: Jail

    @property
    def ports(self) -> str:
        """The ports that a banned address loses."""
        ranges = dict.fromkeys((o.ports.first, o.ports.last) for o in self.jail.openings)
        return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)

    @property
    def protocols(self) -> str:
        """The protocols that a banned address loses."""
        return ",".join(dict.fromkeys(o.protocol for o in self.jail.openings))


@dataclass(frozen=True)
class Bans:
    """What the templates are made of."""

    never: tuple[Network, ...]
    increment: bool
    longest: int
    jails: tuple[Banned, ...]


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
