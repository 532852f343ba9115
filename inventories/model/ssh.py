"""How a host is reached by SSH."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.values import Jail, Network, Opening
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

SshPort = Annotated[
    int, Field(ge=1, le=65535), Wanted("a port (1-65535)", "choose a free port, 22 is the usual one")
]
Tries = Annotated[int, Field(ge=1, le=10), Wanted("a number of tries (1-10)", "3 is a good one")]
Grace = Annotated[
    int, Field(ge=5, le=600), Wanted("a number of seconds from 5 to 600", "30 is enough for a key")
]
NotNegative = Annotated[int, Field(ge=0), Wanted("a whole number, 0 or more", "0 turns it off")]


class Ssh(Service):
    """sshd: keys only, modern algorithms only, no root."""

    port: SshPort = 22
    sources: tuple[Network, ...] = ()
    """Who may reach the port; nobody named means everyone. The controllers are always admitted."""
    max_auth_tries: Tries = 3
    login_grace: Grace = 30
    """Seconds a client has to authenticate."""
    client_alive_interval: NotNegative = 60
    """Seconds of silence before a client is asked whether it lives; 0 never asks."""
    client_alive_count: NotNegative = 3
    allow_agent_forwarding: bool = False
    allow_tcp_forwarding: bool = False

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield the SSH port, to the declared sources and always to the controllers."""
        sources = (*environment.controllers, *self.sources) if self.sources else ()
        yield Opening.port(self.port, "tcp", "SSH", tuple(dict.fromkeys(sources)))

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield the jail that reads sshd's journal."""
        yield Jail(
            name="sshd",
            filter="sshd",
            openings=tuple(self.openings(host, environment)),
            journal_match=f"_SYSTEMD_UNIT={host.release.ssh_unit}",
            max_retry=4,
        )

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield nothing: restarting sshd never cuts a session."""
        yield from ()

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield limits that let everyone in, or nobody, and a host no controller can reach."""
        for source in self.sources:
            if source.prefixlen == 0:
                yield self.problem(
                    host,
                    "sources",
                    f"{source} is everyone",
                    "who may reach SSH",
                    "name their networks, or leave sources empty to admit everyone",
                )
        if not any(host.speaks(network) for network in environment.controllers):
            yield self.problem(
                host,
                "sources",
                f"only IPv6 controllers ({_list(environment.controllers)}) for a host without IPv6",
                "a controller that can reach it",
                "add an IPv4 network to controllers, or address6 to this host",
            )
        if self.sources and not any(host.speaks(source) for source in self.sources):
            yield self.problem(
                host,
                "sources",
                f"only IPv6 networks ({_list(self.sources)}) on a host without IPv6",
                "a source that can reach it",
                "add the IPv4 network of the same people, or address6 to this host",
            )


def _list(networks: tuple[Network, ...]) -> str:
    return ", ".join(map(str, networks))
