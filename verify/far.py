"""Places around a tunnel: behind the peer, where its gateway calls from, beside the host, its cable."""

from __future__ import annotations

from dataclasses import replace

from inventories.model import Environment, Host, Peer
from verify.observed import Observed
from verify.station import Station
from verify.vantage import Vantage
from verify.verdict import NotProven

REHEARSE = "Rehearse: the twin has an office for each peer, with somebody behind its gateway."


def inside(instance: str, node: str, station: Station | None, name: str = "") -> Vantage:
    """Return a node of a twin, by its own name where none is given."""
    from twin.enter import enter_argv

    return Vantage(name or node, tuple(enter_argv(instance, node)), enter=(instance, node), station=station)


def vantages(environment: Environment, instance: str, station: Station | None) -> dict[str, Vantage]:
    """Return the places of a twin."""
    from twin.layout import WORLD, layout_of
    from twin.offices import beside, offices

    def place(name: str, node: str) -> tuple[str, Vantage]:
        return name, inside(instance, node, station)

    layout = layout_of(environment, instance)
    found = [
        place(name, node)
        for office in offices(environment)
        for host, peer in office.tunnels
        for name, node in ((_behind(host, peer), office.pbx), (_outer(host, peer), office.outer))
    ]
    found += [place(link.node, link.node) for link in beside(environment) if link.addresses]
    world = inside(instance, WORLD, station)
    cables = {
        _cable(h): replace(world, name=_cable(h), interface=layout.wire(h.name).end)
        for h in environment.hosts
        if h.strongswan
    }
    return {**dict(found), **cables}


def _behind(host: Host, peer: Peer) -> str:
    return f"behind {peer.name} of {host.name}"


def _outer(host: Host, peer: Peer) -> str:
    return f"gateway of {peer.name} of {host.name}"


def _beside(host: Host) -> str:
    return f"beside-{host.name}"


def _cable(host: Host) -> str:
    return f"cable of {host.name}"


def behind(observed: Observed, host: Host, peer: Peer) -> Vantage:
    """Return the place behind a peer's gateway. Raises NotProven where there is none."""
    return _place(observed, _behind(host, peer))


def outer(observed: Observed, host: Host, peer: Peer) -> Vantage:
    """Return the place that has a peer's public address. Raises NotProven where there is none."""
    return _place(observed, _outer(host, peer))


def beside(observed: Observed, host: Host) -> Vantage | None:
    """Return the place beside a host in its private network; None where nobody is there."""
    return observed.around_tunnels.get(_beside(host))


def has_private_network(host: Host) -> bool:
    """Say whether others are beside a host, on an interface of its own."""
    tunnels = host.strongswan
    return tunnels is not None and tunnels.address is not None and tunnels.interface not in ("lo", "eth0")


def neighbour(observed: Observed, host: Host) -> Vantage:
    """Return the place beside a host in its private network. Raises NotProven where there is none."""
    return _place(observed, _beside(host))


def cable(observed: Observed, host: Host) -> Vantage:
    """Return the place that sees the host's own cable. Raises NotProven where there is none."""
    return _place(observed, _cable(host))


def _place(observed: Observed, name: str) -> Vantage:
    if name not in observed.around_tunnels:
        raise NotProven(f"no vantage point {name} was declared", "a look from there", REHEARSE, gates=False)
    return observed.around_tunnels[name]
