"""What crosses a tunnel, seen where it arrives, and what of it is on the host's own cable meanwhile."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from inventories.model import Host, Peer
from verify import far
from verify.collector import collect, program
from verify.connection import Unreachable
from verify.observed import Observed
from verify.snapshot import Snapshot
from verify.tunnels import own_address, peers, remotes
from verify.vantage import Unseen, Vantage

SECONDS = 5.0
"""How long a cable is watched."""
ARRIVES = 20.0
"""How long the far side waits for a connection."""
CONNECT = (
    "import socket\ntry:\n    socket.create_connection(({0!r}, {1}), 1, ({2!r}, 0)).close()\n"
    "except OSError:\n    pass\n"
)
DATAGRAM = (
    "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "try:\n    s.bind(({1!r}, 0))\n    s.sendto(b'OPTIONS', ({0!r}, 5060))\nexcept OSError:\n    pass\n"
)
"""As a phone would send it: routes and rules may tell UDP from the rest."""


@dataclass(frozen=True)
class Arrival:
    """The first segment of a connection through a tunnel, as it arrived."""

    peer: str
    sender: str
    """The address that it was sent from."""
    source: str
    """The address that it came from; nothing where none arrived."""
    mss: int | None


def through(observed: Observed, host: Host) -> list[dict[str, Any]]:
    """Return what the host itself hears through its tunnels, by peer. Raises Unreachable."""
    seen = collect(observed.connection(host), observed.environment, "through")
    found: list[dict[str, Any]] = seen["through"]
    return found


def standing(observed: Observed, host: Host) -> Any:
    """Return what the daemon has right now (the snapshot's section)."""
    request = {"sections": ["tunnels"], "tunnels": [{}]}
    answer = observed.connection(host).python(program(request), 30)
    return Snapshot.read(json.loads(answer))["tunnels"]


def arrivals(observed: Observed, host: Host) -> tuple[Arrival, ...]:
    """Connect from the host, and from beside it, to somebody behind each peer; see what arrives there."""
    found = []
    for peer in (peer for peer in peers(host) if peer.answers):
        vantage = far.behind(observed, host, peer)
        found.append(_arrival(observed, host, peer, vantage, str(own_address(host, peer)), None))
        if (beside := far.beside(observed, host)) is not None:
            beside.run(
                "ip", "route", "flush", "cache"
            )  # else it knows the tunnel's size from an earlier look
            found.append(_arrival(observed, host, peer, vantage, _address_of(beside), beside))
    return tuple(found)


def _arrival(
    observed: Observed, host: Host, peer: Peer, vantage: Vantage, sender: str, beside: Vantage | None
) -> Arrival:
    address, port = str(peer.answers), 20000 + secrets.randbelow(20000)

    def connect() -> None:
        if beside is not None:
            beside.probe("tcp", address, "--ports", str(port), "--timeout", "0.5")
        else:
            observed.connection(host).python(CONNECT.format(address, port, sender), 10)

    seen = _meanwhile(
        lambda: vantage.probe("syn", address, "--port", str(port), "--timeout", str(ARRIVES)), connect
    )
    first: dict[str, Any] = seen["begun"][0] if seen["begun"] else {"source": "", "mss": None}
    return Arrival(peer.name, sender, first["source"], first["mss"])


def _meanwhile(look: Callable[[], dict[str, Any]], do: Callable[[], object]) -> dict[str, Any]:
    """Look at something while doing it over and over; end when the look does."""
    with ThreadPoolExecutor(1) as pool:
        seen: Future[dict[str, Any]] = pool.submit(look)
        while not seen.done():
            do()
        return seen.result()


def _address_of(beside: Vantage) -> str:
    links = json.loads(beside.run("ip", "-j", "-4", "address", "show", "scope", "global"))
    return str(links[0]["addr_info"][0]["local"])


def introductions(observed: Observed, host: Host) -> dict[str, list[dict[str, Any]]]:
    """Return what IKE answers from each peer's own address, and to a stranger where there is one."""
    found, address = {}, str(host.address.ip)
    for peer in peers(host):
        place = far.outer(observed, host, peer)
        found[peer.name] = place.probe("ike", address, "--proposal", offer(peer), "--weak")["answers"]
    if stranger := observed.vantages.get("stranger"):
        found["stranger"] = stranger.probe("ike", address, "--timeout", "0.7")["answers"]
    return found


def offer(peer: Peer) -> str:
    """Return a peer's declared proposal for IKE, as the probe wants it."""
    return f"{peer.ike.encryption}-{peer.ike.integrity}-{peer.ike.group}"


def on_the_cable(observed: Observed, host: Host) -> dict[str, Any]:
    """Watch the host's cable while both sides talk through the tunnels."""
    return watched(observed, host, SECONDS, lambda: talk(observed, host))


def watched(observed: Observed, host: Host, seconds: float, do: Callable[[], object]) -> dict[str, Any]:
    """Watch the host's cable for so long while something is done over and over."""
    place = far.cable(observed, host)
    networks = [word for network in remotes(host) for word in ("--far", str(network))]
    argv = (str(host.address.ip), *networks, "--interface", place.interface, "--timeout", str(seconds))
    return _meanwhile(lambda: place.probe("wire", *argv, timeout=seconds + 30), do)


def talk(observed: Observed, host: Host) -> None:
    """Send something through each tunnel from every place there is; whether it arrives is not asked."""
    for send in _senders(observed, host):
        try:
            send()
        except (Unseen, Unreachable):
            continue


def _senders(observed: Observed, host: Host) -> list[Callable[[], object]]:
    found: list[Callable[[], object]] = [partial(through, observed, host)]
    for peer in (peer for peer in peers(host) if peer.answers):
        to, own = str(peer.answers), str(own_address(host, peer))
        found.append(partial(observed.connection(host).python, DATAGRAM.format(to, own), 10))
        if (beside := far.beside(observed, host)) is not None:
            found.append(partial(beside.probe, "ping", to, "--timeout", "0.5"))
            found.append(partial(beside.run, sys.executable, "-c", DATAGRAM.format(to, "")))
        found.append(partial(far.behind(observed, host, peer).probe, "ping", own, "--timeout", "0.5"))
    return found
