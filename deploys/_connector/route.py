"""How one host is reached: address, ports, users, keys, pinned host keys, jump hosts."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pyinfra.connectors.sshuserclient.config import SSHConfig

from control import places
from control.pins import known_hosts_of, trusting
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
    """In the order of preference."""
    users: tuple[str, ...]
    """In the order of preference."""
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
    proxy_command: str | None = None


def route_to(
    environment: Environment,
    host: Host,
    instance: str,
    ports: Iterable[int] = (),
    override: Mapping[str, Any] | None = None,
) -> Route:
    """Return the way to a host: the model's port, then 22, then `ports`; the deploy user, then root.

    `override` replaces fields (tests and machines that are reached by another address).
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
        found = _configured(found, _lookup(fqdn, address))
    return _overridden(found, override or {})


def _overridden(route: Route, override: Mapping[str, Any]) -> Route:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in override.items()}
    for name in {"known_hosts", "keys"} & set(given):
        given[name] = tuple(Path(path) for path in given[name])
    changes: Any = given
    return replace(route, **changes)


def _configured(route: Route, config: Mapping[str, Any]) -> Route:
    """Apply the user's own ssh_config(5) to a route."""
    home = Path.home() / ".ssh"
    given = tuple(Path(path).expanduser() for path in config.get("identityfile", ()))
    own = () if config.get("identitiesonly") == "yes" else tuple(home / name for name in OWN_KEYS)
    users = _once((config["user"], *route.users)) if "user" in config else route.users
    ports = _once((int(config["port"]), *route.ports)) if "port" in config else route.ports
    address = config.get("hostname", route.address)
    return replace(
        route,
        address=address if address not in route.names else route.address,
        ports=ports,
        users=users,
        keys=_once((*given, *own)),
        agent=config.get("identitiesonly") != "yes",
        proxy_command=None if config.get("proxyjump") else config.get("proxycommand"),
        jumps=tuple(
            _jump(part) for part in config.get("proxyjump", "").split(",") if part not in ("", "none")
        ),
    )


def _jump(text: str) -> Route:
    """Return the way to a jump host, written `[user@]host[:port]`."""
    user, _, rest = text.rpartition("@")
    name, _, port = rest.partition(":")
    config = _lookup(name)
    address = config.get("hostname", name)
    on = int(port or config.get("port", SSH_PORT))
    forgotten = address if on == SSH_PORT else f"'[{address}]:{on}'"
    route = Route(
        host=f"jump host {name}",
        address=address,
        ports=(on,),
        users=(user or config.get("user") or getpass.getuser(),),
        names=_once((address, name)),
        known_hosts=(Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts")),
        keys=(),
        agent=True,
        trust=f"Log in once with `ssh {name}` and compare its fingerprint.",
        changed=f"Compare its fingerprint, forget the old one with `ssh-keygen -R {forgotten}`, then log in "
        f"once with `ssh {name}`.",
    )
    settled = {key: value for key, value in config.items() if key not in ("user", "port", "hostname")}
    return replace(_configured(route, settled), address=address)


def _lookup(*names: str) -> dict[str, Any]:
    """Return what ~/.ssh/config says about the first of these names it says anything about."""
    path = Path.home() / ".ssh/config"
    if not path.exists():
        return {}
    config = SSHConfig.from_path(str(path))
    for name in names:
        found = dict(config.lookup(name))
        if set(found) - {"hostname"} or found.get("hostname", name) != name:
            return found
    return {}


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
