"""How a host is reached by SSH."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from inventories.model.record import Service
from inventories.model.values import Jail, Network, Opening, Port

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host


class Ssh(Service):
    """sshd: keys only, modern algorithms only, no root."""

    port: Port = 22
    sources: tuple[Network, ...] = ()
    """Who may reach the port; nobody named means everyone. The controllers are always admitted."""
    max_auth_tries: Annotated[int, Field(ge=1, le=10)] = 3
    login_grace: Annotated[int, Field(ge=5, le=600)] = 30
    """Seconds a client has to authenticate."""
    client_alive_interval: Annotated[int, Field(ge=0)] = 60
    client_alive_count: Annotated[int, Field(ge=0)] = 3
    allow_agent_forwarding: bool = False
    allow_tcp_forwarding: bool = False

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield the SSH port, to the declared sources and always to the controllers."""
        sources = (*environment.controllers, *self.sources) if self.sources else ()
        yield Opening.port(self.port, "tcp", "SSH", tuple(dict.fromkeys(sources)))

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield the jail that reads sshd's journal."""
        yield Jail(name="sshd", filter="sshd", openings=tuple(self.openings(host, environment)), max_retry=4)

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield nothing: restarting sshd never cuts a session."""
        yield from ()
