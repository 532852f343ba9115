"""The probes by hand: from this machine, or from a place in an environment's network."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from control import places
from control.errors import TrunklineError
from control.operator import operator
from control.target import Target, target
from inventories.model import Host
from verify.connection import Way

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("controller", "stranger")


class Probe:
    """One probe, where it looks from, and how its answers are printed."""

    def __init__(self, kind: str, *, env: str, twin: str, place: str, json: bool) -> None:
        if place not in PLACES:
            raise TrunklineError(f"--place {place!r} cannot be used.", f"Say one of: {', '.join(PLACES)}.")
        self.kind, self.json = kind, json
        self.target: Target | None = target(env, "", twin) if env else None
        if twin and not env:
            raise TrunklineError("--twin alone names no environment.", "Say it: --env lab")
        self.prefix = self._prefix(place)

    def _prefix(self, place: str) -> list[str]:
        """Return what starts a program in the chosen place; nothing where that is this machine."""
        if self.target is None or not self.target.environment.in_twin:
            if place == "stranger":
                raise TrunklineError(
                    "Only a twin has a stranger.", "Name its environment: --env lab --place stranger"
                )
            return []
        from twin.enter import enter_argv

        return enter_argv(self.target.instance, place)

    def look(self, hosts: str, arguments: Callable[[Host | None], list[str]]) -> int:
        """Look at each host and print what was seen; return the worst exit code.

        A name that the environment declares stands for that host's address. `arguments` is asked for what
        else to say of a host: its record, or None for any other.
        """
        codes = []
        for word in names(hosts):
            host = self._host(word)
            argv = [*self.prefix, sys.executable, "-m", f"verify.probes.{self.kind}"]
            argv += [str(host.address.ip) if host else word, *arguments(host)]
            argv += ["--json"] if self.json else []
            surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
            codes.append(subprocess.run(argv, cwd=ROOT, env=surroundings, check=False).returncode)
        return max(map(abs, codes))

    def _host(self, word: str) -> Host | None:
        hosts = self.target.environment.hosts if self.target else ()
        return next((host for host in hosts if host.name == word), None)

    @contextlib.contextmanager
    def way(self) -> Iterator[Callable[[Host | None], str]]:
        """Give what runs a shell command on a host: the controller's ssh, with the environment's keys.

        Empty for a host that the environment does not declare.
        """
        with tempfile.TemporaryDirectory(prefix="trunkline-", dir=operator().temporary) as directory:
            if self.target is None:
                yield lambda host: ""
                return
            way = Way(self.target.environment, self.target.instance, Path(directory))
            way.write()
            ssh = [*self._prefix("controller"), *way.client, "-T"]
            yield lambda host: shlex.join([*ssh, "-l", _let_in(ssh, host), host.name]) if host else ""

    @property
    def roots(self) -> list[str]:
        """Return the trusted roots as an argument: a twin's sites are vouched for by its own authority."""
        if self.target is None or not self.target.environment.in_twin:
            return []
        return ["--ca", str(places.run() / self.target.instance / "acme-root.pem")]


def _let_in(ssh: list[str], host: Host) -> str:
    """Return whom the host lets in: the deploy user, or root where it does not know that one yet."""
    for user in dict.fromkeys((host.users.deploy, "root")):
        argv = [*ssh, "-l", user, host.name, "true"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return user
    said = done.stderr.strip().splitlines()[-1:] or ["ssh gave no reason"]
    raise TrunklineError(
        f"{host.name} lets nobody in: {said[0]}.", "Deploy it first, or name --ssh yourself."
    )


def names(text: str) -> list[str]:
    """Read names separated by commas. Raises TrunklineError where there is none."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise TrunklineError("No host was named.", "Give names or addresses, separated by commas.")
    return found


def option(name: str, values: str) -> list[str]:
    """Return an option once for each of the values, which are separated by commas."""
    return [word for value in values.split(",") if value.strip() for word in (name, value.strip())]


def sites_of(host: Host | None) -> list[str]:
    """Return the names of a host's declared sites."""
    return [name for site in (host.nginx.sites if host and host.nginx else ()) for name in site.names]


def proposals_of(host: Host | None) -> list[str]:
    """Return what a host's declared peers agreed on for IKE, each once, in strongSwan's words."""
    peers = host.strongswan.peers if host and host.strongswan else ()
    offers = (f"{its.ike.encryption}-{its.ike.integrity}-{its.ike.group}" for its in peers)
    return list(dict.fromkeys(offers))


def settings(**given: Any) -> list[str]:
    """Return options that have a value: flags where it is True."""
    found: list[str] = []
    for name, value in given.items():
        word = f"--{name.replace('_', '-')}"
        found += [word] if value is True else [word, str(value)] if value else []
    return found
