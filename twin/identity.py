"""Who is who in a twin: the controller's key, and the hosts' keys as the controller knows them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from control import places
from inventories.model import Environment, Host
from twin.command import command
from twin.disk import Disk


def controller_key(instance: str) -> str:
    """Return the controller's public key line; make the pair where there is none."""
    private = places.controller_key_of(instance)
    public = private.with_name(f"{private.name}.pub")
    private.parent.mkdir(parents=True, exist_ok=True)
    if not private.exists():
        comment = f"controller@{instance}"
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(private))
    return public.read_text()


def pin_host_keys(instance: str, environment: Environment, disks: Iterable[Disk]) -> None:
    """Write known_hosts from the keys that the twin made itself: nobody needs to be asked."""
    by_host = {disk.host: disk.host_keys for disk in disks}
    lines = [
        f"{name} {key}"
        for host in environment.hosts
        for name in _names(host, environment)
        for key in by_host.get(host.name, ())
    ]
    path: Path = places.state_of(instance) / "known_hosts"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text("".join(f"{line}\n" for line in lines))
    temporary.rename(path)


def forget_host_keys(instance: str) -> None:
    """Forget the hosts' keys: the hosts are gone."""
    (places.state_of(instance) / "known_hosts").unlink(missing_ok=True)


def _names(host: Host, environment: Environment) -> Iterable[str]:
    """Every name of a host, also with the port that it is to listen on (sshd(8), known_hosts)."""
    plain = [host.name, f"{host.name}.{environment.domain}", str(host.address.ip)]
    plain += [str(host.address6.ip)] if host.address6 else []
    yield ",".join(plain)
    if host.ssh.port != 22:
        yield ",".join(f"[{name}]:{host.ssh.port}" for name in plain)
