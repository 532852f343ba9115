"""What a host serves and with which certificates, as JSON from the programs in `deploys/_ops/scripts`."""

from __future__ import annotations

from deploys._ops.facts.look import Look
from deploys._ops.script import command


class Served(Look):
    """{"config": digest or null, "sites": {name: {"current", "previous", "releases"}}}."""

    def command(self) -> str:
        """Take nothing."""
        return command("site_files_look")


class Certificates(Look):
    """{"certificates": {name: {...}}, "asked": {name: {...}}}: what stands, and when the CA refused."""

    def command(self, names: str) -> str:
        """Take the certificates' names as JSON."""
        return command("certificates_look", names)
