"""What stands on a host, as JSON from the programs in `deploys/_ops/scripts`."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from deploys._ops.script import command


class Look(FactBase[dict[str, Any]]):
    """A fact whose program prints one JSON object."""

    abstract = True
    script = ""

    def process(self, output: list[str]) -> dict[str, Any]:
        """Read the program's answer; raises FactProcessError when it is no JSON object."""
        try:
            answer = json.loads(output[-1])
        except (ValueError, IndexError):
            raise FactProcessError(f"{self.name} answered {' '.join(output)[:200]!r}") from None
        if not isinstance(answer, dict):
            raise FactProcessError(f"{self.name} answered no object")
        return answer


class Files(Look):
    """The managed paths that differ from their wanted fingerprints: {path: {"is", "content"}}."""

    def command(self, wanted: str) -> str:
        """Take [[path, fingerprint, secret], ...] as JSON."""
        return command("files", wanted)


class Accounts(Look):
    """Accounts and their `.ssh` directories: {"users": {name: {...}}, "groups": {name: [...]}}."""

    def command(self, names: str) -> str:
        """Take the names of the accounts of interest as JSON; all with a login shell are told as well."""
        return command("accounts", names)


class System(Look):
    """Packages, units, kernel settings, swap, ruleset, sshd's ports, manifest and guard of one host."""

    def command(self, wanted: str) -> str:
        """Take {"packages", "units", "sysctls", "swap"} as JSON."""
        return command("system", wanted)


class Stacks(Look):
    """Images, what their references mean here, upstream files and what each stack runs."""

    def command(self, wanted: str) -> str:
        """Take {"stacks", "images", "upstreams", "agent"} as JSON."""
        return command("stacks", wanted)


class Digests(Look):
    """What references mean to their registries now: {"digests": {...}, "problems": {...}}."""

    def command(self, references: str) -> str:
        """Take [reference, ...] as JSON."""
        return command("digests", references)
