"""What ESP can be done with on a host, and whether its tunnels hold their files."""

from __future__ import annotations

from deploys._ops.facts.look import Look
from deploys._ops.script import command


class Tunnels(Look):
    """{"esp": the kernel does it, "tunnels": address, routes, rules hold, "charon": its peers are loaded}."""

    def command(self) -> str:
        """Take nothing."""
        return command("tunnels_look")
