"""The same associations at both visible ends: what a peer's own gateway has, beside what the host has."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from control.errors import TrunklineError
from inventories.model import Host, Peer
from verify.crossing import standing
from verify.observed import Observed
from verify.outage import office
from verify.tunnels import Association, Child, associations

if TYPE_CHECKING:
    from twin.associations import ChildSa, IkeSa

SETTLES = 12.0
"""Seconds after which both ends have the same again when keys are renewed between two looks."""
End = tuple[str, str, str, str, frozenset[tuple[str, ...]]]
"""Both SPIs of an IKE SA, who the host is and who the peer, what its children carry: as the host sees it."""


def apart(observed: Observed, host: Host, peer: Peer) -> str:
    """Say what of the host's associations a peer's gateway has not, or nothing; nothing outside a twin.

    Nobody else's gateway can be asked what it has.
    """
    if not observed.environment.in_twin:
        return ""
    gateway, until = office(observed, host, peer), time.monotonic() + SETTLES
    while True:
        ours = associations(standing(observed, host), peer)
        try:
            said = differing(ours, [each for each in gateway.sas() if each.name == host.name])
        except TrunklineError as error:
            said = error.message
        if not said or time.monotonic() > until:
            return said
        time.sleep(0.5)


def differing(ours: Iterable[Association], theirs: Iterable[IkeSa]) -> str:
    """Say which association of the host has no counterpart among a gateway's own, or nothing."""
    known = {far_end(each) for each in theirs}
    for each in ours:
        if (own := near_end(each)) not in known:
            return f"the host has {own}, and the peer has {', '.join(sorted(map(str, known))) or 'none'}"
    return ""


def near_end(held: Association) -> End:
    """Return what tells an association from another, of the host's own words."""
    (initiator, responder), said = held.spis, held.held
    carrying = frozenset(map(_near, held.children))
    return initiator, responder, str(said.get("local-id")), str(said.get("remote-id")), carrying


def far_end(held: IkeSa) -> End:
    """Return the same of a gateway's words: its local is the host's remote, what it sends comes in here."""
    carrying = frozenset(_far(child) for child in held.children if child.state == "INSTALLED")
    return held.spi_i, held.spi_r, held.remote_id, held.local_id, carrying


def _near(child: Child) -> tuple[str, ...]:
    networks = (",".join(sorted(child.held.get(f"{end}-ts", ()))) for end in ("local", "remote"))
    return (*child.spis, *networks)


def _far(child: ChildSa) -> tuple[str, ...]:
    networks = (",".join(sorted(each)) for each in (child.remote_ts, child.local_ts))
    return (child.spi_out, child.spi_in, *networks)
