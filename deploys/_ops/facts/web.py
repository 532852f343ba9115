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
    """{"certificates": {name: {...}}, "refused": {name: {...}}, "webroot"}: what stands, what was refused."""

    def command(self) -> str:
        """Take nothing."""
        return command("certificates_look")
