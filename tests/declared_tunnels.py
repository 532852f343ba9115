"""A host with tunnels of tests: all is well in it but for what a test says."""

from __future__ import annotations

from typing import Any

from declared import environment, host, made

from inventories.model import Environment, Secret
from inventories.model.ipsec import Certificates
from inventories.model.strongswan import Peer, Strongswan

CERTIFICATES = Certificates(ca=Secret(name="ca"), certificate=Secret(name="own"), key=Secret(name="own_key"))
BRANCH = {"address": "203.0.113.30", "id": "192.168.2.1", "remote": ("192.168.160.0/24",)}


def peer(name: str = "office", **more: Any) -> Peer:
    """Return a peer with nothing wrong, but for what is said."""
    given = {
        "address": "203.0.113.20",
        "id": "192.168.1.1",
        "local": ("10.10.10.0/24",),
        "remote": ("192.168.150.0/24",),
        **({} if "certificates" in more else {"psk": Secret(name=f"{name}_psk")}),
        **more,
    }
    return made(Peer, name=name, **given)


def branch(**more: Any) -> Peer:
    """Return a second peer with nothing wrong, but for what is said."""
    return peer("branch", **{**BRANCH, **more})


def swan(*peers: Peer, **more: Any) -> Strongswan:
    """Return tunnels to these peers, from a host with an address of its own inside them."""
    given = {"address": "10.10.10.1/24", "interface": "eth1", **more}
    return made(Strongswan, peers=peers or (peer(),), **given)


def tunnel(*peers: Peer, **more: Any) -> Environment:
    """Return an environment of one host with tunnels to these peers."""
    return environment(host(strongswan=swan(*peers, **more)))
