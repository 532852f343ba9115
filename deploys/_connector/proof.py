"""What a new login proves: that the declared port lets the deploy user in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploys._connector.failure import Unreachable

if TYPE_CHECKING:
    from deploys._connector.connection import Connection

ARRIVED = r"""p=$$
while [ "${p:-0}" -gt 1 ]; do
    port=$(tr '\0' '\n' <"/proc/$p/environ" | sed -n 's/^SSH_CONNECTION=.* //p')
    if [ "$port" ]; then echo "$port"; exit; fi
    p=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$p/status")
done
"""
"""Prints the port on which sshd took this connection, which it tells the login's first process (sshd(8))."""


def prove_port(connection: Connection) -> None:
    """Return when the login came in on the declared port; closes it and raises Unreachable otherwise.

    Only a ProxyCommand can lead elsewhere than it is told to.
    """
    route = connection.route
    if not route.proxy_command:
        return
    declared, seen = str(route.ports[0]), connection.run(ARRIVED).text.strip()
    if seen != declared:
        connection.close()
        raise Unreachable(
            f"The ProxyCommand for {route.host} leads to port {seen or 'nobody knows which'} of it, "
            f"not to the declared {declared}.",
            "Write %p where the port stands in ~/.ssh/config.",
        )
