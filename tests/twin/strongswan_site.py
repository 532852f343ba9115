"""Two hosts that are each other's office, deployed without what is not about tunnels."""

from __future__ import annotations

from deploys import firewall, site, ssh, strongswan, sysctl, users
from deploys._engine.report import changed
from deploys._ops import apt, guard, manifest, orphans
from deploys._ops import sysctl as kernel
from inventories.model import Certificates, Environment, Host, IkeProposal, Peer, Secret

NETWORKS = {"edge1": ("10.10.10.0/24", "10.10.11.0/24"), "edge2": ("192.168.150.0/24", "192.168.151.0/24")}
ADDRESSES = {"edge1": "10.10.10.1/24", "edge2": "192.168.150.10/24"}
PUBLIC = {"edge1": "198.51.100.11", "edge2": "198.51.100.12"}
OTHER = {"edge1": "edge2", "edge2": "edge1"}


def peer(host: str, **more: object) -> Peer:
    """Return a host's view of the other one."""
    other = OTHER[host]
    given = {
        "name": other,
        "address": PUBLIC[other],
        "id": PUBLIC[other],
        "local": NETWORKS[host][:1],
        "remote": NETWORKS[other][:1],
        "psk": Secret(name="crm_password"),
    }
    return Peer.model_validate({**given, **more})


def declared(host: Host, *peers: Peer, **more: object) -> Host:
    """Return a host of the lab with these tunnels."""
    tunnels = {"peers": peers or (peer(host.name),), "address": ADDRESSES[host.name], **more}
    given = {name: getattr(host, name) for name in Host.model_fields}
    return Host.model_validate({**given, "swap": None, "strongswan": tunnels})


def both(environment: Environment) -> Environment:
    """Return the two hosts alone, a tunnel between them."""
    hosts = tuple(declared(environment.host(name)) for name in ADDRESSES)
    return environment.model_copy(update={"hosts": hosts, "databases": ()})


def serve(host: Host, environment: Environment) -> None:
    """Serve the host as the whole deploy does, but for what is not about tunnels."""
    environment = environment.model_copy(update={"hosts": (host,)})
    found, declared = site.begin(host, environment)
    settings = kernel.due(host.sysctls(environment))
    intended = manifest.intend(declared, name="manifest: intend")
    apt.packages((*site.packages_of(host),), name="packages: install")
    guarded = site.guarded(host, environment, settings)
    endangering = site.endangering(host, environment, found)
    armed = guard.arm(guarded, endangering, settings, name="guard: arm")
    users.users(host, environment)
    ssh.ssh(host, environment)
    firewall.firewall(host, environment)
    sysctl.sysctl(host, environment)
    strongswan.strongswan(host, environment, found.userland)
    guard.confirm(armed, host.release.ssh_units, name="guard: confirm", _if=changed(armed))
    orphans.orphans(declared)
    manifest.narrow(name="manifest: narrow", _if=changed(intended))


def one(host: Host, environment: Environment) -> None:
    """Serve one tunnel between the two."""
    serve(declared(host), environment)


def two(host: Host, environment: Environment) -> None:
    """Serve the same, and a peer that does not exist."""
    ghost = peer(host.name, name="ghost", address="203.0.113.77", id="203.0.113.77", remote=("10.77.0.0/24",))
    serve(declared(host, peer(host.name), ghost), environment)


def other_ghost(host: Host, environment: Environment) -> None:
    """Serve the same, the second peer with another proposal."""
    more = {"ike": {"encryption": "aes128"}, "address": "203.0.113.77", "id": "203.0.113.77"}
    ghost = peer(host.name, name="ghost", remote=("10.77.0.0/24",), **more)
    serve(declared(host, peer(host.name), ghost), environment)


def wider(host: Host, environment: Environment) -> None:
    """Serve one tunnel of two networks on each side."""
    networks = {"local": NETWORKS[host.name], "remote": NETWORKS[OTHER[host.name]]}
    serve(declared(host, peer(host.name, **networks)), environment)


def broken(host: Host, environment: Environment) -> None:
    """Serve a peer with a proposal that charon does not know, which the model would refuse."""
    unknown = IkeProposal.model_construct(encryption="aes257", integrity="sha256", group="modp2048")
    serve(declared(host, peer(host.name).model_copy(update={"ike": unknown})), environment)


def proof(host: str) -> Certificates:
    """Return the names of the files by which a host proves who it is."""
    names = ("tunnel_ca", f"tunnel_{host}", f"tunnel_{host}_key")
    ca, certificate, key = (Secret(name=name) for name in names)
    return Certificates(ca=ca, certificate=certificate, key=key)


def certified(host: Host, environment: Environment) -> None:
    """Serve one tunnel whose ends prove themselves by certificates."""
    serve(declared(host, peer(host.name, psk=None, certificates=proof(host.name))), environment)


def nothing(host: Host, environment: Environment) -> None:
    """Serve no tunnel any more."""
    serve(declared(host).model_copy(update={"strongswan": None}), environment)
