"""fail2ban: who is shut out, and who never."""

from __future__ import annotations

from inventories.model.record import Service
from inventories.model.values import Network, Seconds


class Fail2ban(Service):
    """Bans that take effect before UFW's accepts; the jails come from the services."""

    never: tuple[Network, ...] = ()
    """Never banned, beside loopback, the controllers and the environment's own hosts, peers and trunks."""
    ban_time_increment: bool = True
    """A repeated offender is banned longer each time."""
    max_ban_time: Seconds = 7 * 24 * 3600
