"""Whether a host's associations come to rest: one for each pair of networks, and no other after it."""

from __future__ import annotations

import time
from typing import Any

from inventories.model import Host
from verify.crossing import standing
from verify.observed import Observed
from verify.tunnels import associations, children, peers

REPLACED = 15.0
"""Seconds after which a duplicate that the daemon itself ends is gone (it waits ten)."""


def restless(host: Host, observed: Observed, many: dict[str, str]) -> dict[str, str]:
    """Return what does not become one SA in time, or becomes two again: ends that replace each other's."""
    until = time.monotonic() + REPLACED
    while time.monotonic() < until:
        time.sleep(1)
        was, many = many, twice(host, standing(observed, host))
        if was and not many:
            until = time.monotonic() + REPLACED
        elif many and not was:
            return many
    return many


def twice(host: Host, tunnels: Any) -> dict[str, str]:
    """Return what more than one SA is for, by peer."""
    found = {}
    for peer in peers(host):
        carried = [child.selectors for child in children(tunnels, peer)]
        if many := sorted({each for each in carried if carried.count(each) > 1}):
            found[peer.name] = f"more than one SA for {'; '.join(many)}"
        elif (count := len(associations(tunnels, peer))) > 1:
            found[peer.name] = f"{count} IKE SAs"
    return found
