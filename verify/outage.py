"""What happens to a tunnel when its peer crashes, and when somebody calls who cannot prove to be the peer.

Only a twin has peers that may be broken: elsewhere nobody has looked.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inventories.model import Host, Peer
from verify import far
from verify.crossing import standing, talk, watched
from verify.observed import Observed
from verify.tunnels import associations, children, own_address, pairs, peers
from verify.vantage import Unseen
from verify.verdict import NotProven

if TYPE_CHECKING:
    from twin.gateway import Gateway

PATIENCE = 30.0
"""Seconds after which something counts as never happening."""
WATCHED = 45.0
GUESSED = "12345678"
"""What those who try pre-shared keys try first."""


@dataclass(frozen=True)
class Outage:
    """A peer that crashed without a word, and was powered on again once the host had noticed."""

    peer: str
    noticed: float | None
    """Seconds from the crash until the host had no SA any more; None: not within the patience."""
    back: float | None
    """Seconds from the peer's return until somebody behind it answered again."""
    cable: dict[str, Any]
    """What passed the host's cable from before the crash on."""


def office(observed: Observed, host: Host, peer: Peer) -> Gateway:
    """Return the peer as something that may be broken. Raises NotProven outside a twin."""
    if not observed.environment.in_twin:
        raise NotProven("only a twin has a peer to break", "a rehearsal", far.REHEARSE, gates=False)
    from twin.offices import offices
    from twin.twin import Twin

    every = offices(observed.environment)
    name = next(o.name for o in every if (host.name, peer.name) in [(h.name, p.name) for h, p in o.tunnels])
    return Twin(observed.environment, observed.instance).office(name)


def outages(observed: Observed, host: Host) -> tuple[Outage, ...]:
    """Let each peer crash, one after the other; see when the host notices, and when it has it back."""
    return tuple(_outage(observed, host, peer) for peer in peers(host) if peer.answers)


def _outage(observed: Observed, host: Host, peer: Peer) -> Outage:
    gateway = office(observed, host, peer)
    gateway.reload(calls=False, keep=True)  # else it is the peer that brings the tunnel back, not this host
    try:
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(_crash, observed, host, peer, gateway)
            cable = watched(observed, host, WATCHED, lambda: talk(observed, host))
            noticed, back = seen.result()
    finally:
        gateway.start()
        gateway.reload(calls=True, keep=True)
        gateway.initiate()
    return Outage(peer.name, noticed, back, cable)


def _crash(observed: Observed, host: Host, peer: Peer, gateway: Gateway) -> tuple[float | None, float | None]:
    gateway.crash()
    noticed = _seconds_until(lambda: not children(standing(observed, host), peer))
    gateway.start()
    behind = far.behind(observed, host, peer)
    return noticed, _seconds_until(lambda: _hears(behind, str(own_address(host, peer))))


def _hears(behind: Any, address: str) -> bool:
    try:
        return bool(behind.probe("ping", address, "--timeout", "0.5")["answers"])
    except Unseen:
        return False


def imposed(observed: Observed, host: Host) -> Iterator[str]:
    """Yield each tunnel that came up although its peer could not prove who it is, with how it tried."""
    for peer in peers(host):
        gateway = office(observed, host, peer)
        right: dict[str, Any] = {"expired": False}
        tries: dict[str, dict[str, Any]] = {"an expired certificate": {"expired": True}}
        if peer.psk:
            right = {"psk": next(each.psk for each in gateway.consoles() if each.host == host.name)}
            tries = {
                "a random key": {"psk": secrets.token_hex(16)},
                f"the key {GUESSED}": {"psk": GUESSED},
            }
        try:
            for how, changes in tries.items():
                gateway.reload(**changes)
                if gateway.initiate(6) or associations(standing(observed, host), peer):
                    yield f"{peer.name} by {how}"
        finally:
            # Not restored: new cables that this process laid would be lost with its own mounts.
            gateway.reload(**right)
            gateway.initiate(20)
            _seconds_until(partial(_is_up, observed, host, peer))


def _is_up(observed: Observed, host: Host, peer: Peer) -> bool:
    return len(children(standing(observed, host), peer)) >= len(pairs(peer))


def _seconds_until(holds: Callable[[], bool]) -> float | None:
    """Return after how many seconds something held, None when it did not in the time there is."""
    since = time.monotonic()
    while time.monotonic() - since < PATIENCE:
        if holds():
            return round(time.monotonic() - since, 1)
        time.sleep(0.2)
    return None
