"""One host with tunnels to two offices: a pre-shared key behind NAT, and certificates."""

from __future__ import annotations

from inventories.model import Environment, Host, Secret, load
from inventories.model.ipsec import Certificates
from inventories.model.strongswan import Peer, Strongswan

HQ = Peer(
    name="hq",
    address="203.0.113.20",
    id="192.168.1.2",
    local=("10.10.10.0/24",),
    remote=("192.168.150.0/24",),
    answers="192.168.150.20",
    psk=Secret(name="hq_psk"),
)
DEPOT = Peer(
    name="depot",
    address="203.0.113.30",
    id="gw.depot.example",
    local=("10.10.10.0/24",),
    remote=("192.168.160.0/24",),
    certificates=Certificates(
        ca=Secret(name="vpn_ca"), certificate=Secret(name="vpn_certificate"), key=Secret(name="vpn_key")
    ),
)


def vpn(name: str, address: str, *peers: Peer, own: str = "10.10.10.1/24") -> Host:
    """Return a host with a private network on eth1 and these peers."""
    plain = load("lab").host("edge1")
    tunnels = Strongswan(peers=peers, address=own, interface="eth1", userland=True)
    kept = {field: getattr(plain, field) for field in Host.model_fields}
    return Host.model_validate({**kept, "name": name, "address": address, "strongswan": tunnels})


def site(*hosts: Host) -> Environment:
    """Return the lab with these hosts alone."""
    lab = load("lab")
    kept = {field: getattr(lab, field) for field in Environment.model_fields}
    return Environment.model_validate({**kept, "hosts": hosts, "databases": ()})
