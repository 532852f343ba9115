"""Whether a host's Asterisk holds its files."""

from __future__ import annotations

from deploys._ops.facts.look import Look
from deploys._ops.script import command


class Telephony(Look):
    """{"loaded": Asterisk holds what the files declare}."""

    def command(self) -> str:
        """Take nothing."""
        return command("telephony_look")
