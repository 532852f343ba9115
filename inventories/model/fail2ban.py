"""fail2ban: who is shut out, and who never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from inventories.model.addresses import WIDEST, too_wide
from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.values import Network, Seconds

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host
    from inventories.model.values import Jail


class Fail2ban(Service):
    """Bans that take effect before UFW's accepts; the jails come from the services."""

    collects: ClassVar[bool] = True

    never: tuple[Network, ...] = ()
    """Never banned, beside loopback, the controllers and the environment's own hosts, peers and trunks."""
    ban_time_increment: bool = True
    """A repeated offender is banned longer each time."""
    max_ban_time: Seconds = 7 * 24 * 3600

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield jails that cannot work, and exceptions so wide that nobody is banned."""
        for network in self.never:
            if too_wide(network):
                yield self.problem(
                    host,
                    "never",
                    f"{network} would keep most attackers from being banned",
                    f"a prefix of /{WIDEST[network.version]} or longer",
                    "name the networks of the people who are meant",
                )
        names: set[str] = set()
        for jail in host.jails(environment):
            if jail.name in names:
                yield self.problem(
                    host,
                    jail.name,
                    f"two services bring a jail named {jail.name}",
                    "one jail of each name",
                    "rename one of the two",
                )
            names.add(jail.name)
            yield from self._jail(host, jail)

    def _jail(self, host: Host, jail: Jail) -> Iterator[Problem]:
        if not jail.openings:
            yield self.problem(
                host,
                jail.name,
                f"the jail {jail.name} protects no port",
                "the openings that a banned address loses",
                "give the jail its service's openings",
            )
        if jail.ban_time < jail.find_time:
            yield self.problem(
                host,
                jail.name,
                f"a ban of {jail.ban_time} s ends before the {jail.find_time} s that tries count for",
                "a ban_time of at least find_time",
                "raise ban_time",
            )
        if self.ban_time_increment and self.max_ban_time < jail.ban_time:
            yield self.problem(
                host,
                "max_ban_time",
                f"{self.max_ban_time} s is shorter than the first ban of {jail.name} ({jail.ban_time} s)",
                f"at least {jail.ban_time}",
                "raise max_ban_time, a week is 604800",
            )
