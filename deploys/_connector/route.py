"""How one host is reached: address, ports, users, keys, pinned host keys, jump hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from control import places
from control.operator import operator
from control.pins import known_hosts_of, trusting
from control.ssh_config import Said, said_of, said_of_host
from inventories.model import Environment, Host

OWN_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
SSH_PORT = 22
T = TypeVar("T")


@dataclass(frozen=True)
class Route:
    """Everything needed to log in to a host, and how to name it when that fails."""

    host: str
    address: str
    ports: tuple[int, ...]
    """In the order of preference; the first is the declared one."""
    users: tuple[str, ...]
    """In the order of preference; the first is the declared one."""
    names: tuple[str, ...]
    """What the host may be called in the file of pinned keys."""
    known_hosts: tuple[Path, ...]
    keys: tuple[Path, ...]
    agent: bool
    trust: str
    """What to do about a host key that is not pinned."""
    changed: str
    """What to do about another key than the pinned one, once it is clear whose it is."""
    jumps: tuple[Route, ...] = ()
    proxy_command: str = ""
    """With its tokens: the port that it leads to is chosen when it is started."""


def route_to(
    environment: Environment,
    host: Host,
    instance: str,
    ports: Iterable[int] = (),
    override: Mapping[str, Any] | None = None,
) -> Route:
    """Return the way to a host: the declared port and user first, and what else a first contact may need.

    That is the port and the user that ssh_config says, port 22, `ports`, and root. `override` replaces fields
    (tests and machines that are reached by another address).
    """
    fqdn = f"{host.name}.{environment.domain}"
    address = str(host.address.ip)
    found = Route(
        host=host.name,
        address=address,
        ports=_once((host.ssh.port, SSH_PORT, *ports)),
        users=_once((host.users.deploy, "root")),
        names=(address, fqdn, host.name),
        known_hosts=(known_hosts_of(environment, instance),),
        keys=(),
        agent=True,
        trust=f"Compare its fingerprint, then pin it with `{trusting(environment, instance)}`.",
        changed=f"Compare its fingerprint, then replace the pinned one with "
        f"`{trusting(environment, instance, host.name)}`.",
    )
    if environment.in_twin:
        found = replace(found, keys=(places.controller_key_of(instance),), agent=False)
    else:
        found = _configured(found, said_of_host(environment, host))
    return _overridden(found, override or {})


def _overridden(route: Route, override: Mapping[str, Any]) -> Route:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in override.items()}
    for name in {"known_hosts", "keys"} & set(given):
        given[name] = tuple(Path(path) for path in given[name])
    changes: Any = given
    return replace(route, **changes)


def _configured(route: Route, said: Said) -> Route:
    """Apply the user's own ssh_config(5) to a route.

    What is declared stays before what is said there: it alone proves that a changed host lets us in again.
    """
    home = Path.home() / ".ssh"
    own = () if said.only_these else tuple(home / name for name in OWN_KEYS)
    declared, *later = route.ports
    deploy, *others = route.users
    return replace(
        route,
        address=said.hostname or route.address,
        ports=_once((declared, *((said.port,) if said.port else ()), *later)),
        users=_once((deploy, *((said.user,) if said.user else ()), *others)),
        keys=_once((*said.keys, *own)),
        agent=not said.only_these,
        proxy_command=said.command,
        jumps=_chain(said.jumps),
    )


def _chain(written: Sequence[str], passed: tuple[str, ...] = ()) -> tuple[Route, ...]:
    """Return the ways to jump hosts, each through those before it; the first may need others of its own."""
    found: list[Route] = []
    for place, text in enumerate(written):
        user, name, port = _parts(text)
        said, met = said_of(name), (*passed, name)
        if place == 0 and not any(_parts(before)[1] in met for before in said.jumps):
            found += _chain(said.jumps, met)
        route = _jump(name, said, user, port)
        found.append(replace(route, proxy_command="" if found else said.command))
    return tuple(found)


def _parts(text: str) -> tuple[str, str, str]:
    """Return user, name and port of a jump host written `[user@]host[:port]`; what is missing is empty."""
    user, _, place = text.removeprefix("ssh://").rpartition("@")
    found = re.fullmatch(r"\[(.+)\](?::(\d+))?|([^:]+)(?::(\d+))?", place)
    if found is None:
        return user, place, ""
    return user, found[1] or found[3], found[2] or found[4] or ""


def _jump(name: str, said: Said, user: str, port: str) -> Route:
    """Return the way to one jump host; what is written with its name goes before what ssh_config says."""
    address = said.hostname or name
    on = int(port or said.port or SSH_PORT)
    forgotten = address if on == SSH_PORT else f"'[{address}]:{on}'"
    route = Route(
        host=f"jump host {name}",
        address=address,
        ports=(on,),
        users=(user or said.user or operator().name,),
        names=_once((address, name)),
        known_hosts=(Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts")),
        keys=(),
        agent=True,
        trust=f"Log in once with `ssh {name}` and compare its fingerprint.",
        changed=f"Compare its fingerprint, forget the old one with `ssh-keygen -R {forgotten}`, then log in "
        f"once with `ssh {name}`.",
    )
    return _configured(route, replace(said, user="", port=None, proxy=None))


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
