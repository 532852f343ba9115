"""Keys renewed on demand while packets pass: only other SPIs, and counters that rise on them, are proof."""

from __future__ import annotations

import threading
import time
from typing import Any

from verify.on_host.section import Request, section
from verify.on_host.strongswan import associations, pinged
from verify.on_host.vici import Vici

SECONDS = 12.0
"""Within which renewed keys must be in use."""
EVERY = 0.05
ENOUGH = 40


@section("renewal")
def renewal(request: Request) -> list[dict[str, Any]]:
    """Renew every child's keys, then the IKE SA's; say what changed, and how many pings were lost."""
    return [_renewal(each) for each in request["tunnels"]]


def _renewal(asked: dict[str, Any]) -> dict[str, Any]:
    peer, before = asked["peer"], _spis(asked["peer"])
    passing = _Passing(asked)
    with passing:
        for name in _children(peer):
            _rekey(child=name)
        children = _changed(peer, before, "children")
        between = _spis(peer)
        _rekey(ike=peer)
        ike = _changed(peer, between, "ike")
        passing.some_more()
    after = _spis(peer)
    time.sleep(2 * EVERY)
    return {
        "peer": peer, "before": before, "after": after, "children renewed": children, "ike renewed": ike,
        "sent": passing.sent, "lost": passing.lost, "carried": _carried(asked),
    }  # fmt: skip


def _rekey(**what: str) -> None:
    with Vici() as vici:
        vici.ask("rekey", **what)


def _standing(peer: str) -> list[dict[str, Any]]:
    with Vici() as vici:
        return [each for each in associations(vici) if each["name"] == peer]


def _children(peer: str) -> list[str]:
    return sorted({c["name"] for each in _standing(peer) for c in each["child-sas"]})


def _spis(peer: str) -> dict[str, list[str]]:
    """Return the SPIs that stand now: the IKE SA's, and the incoming ones of its children."""
    standing = [each for each in _standing(peer) if each["state"] == "ESTABLISHED"]
    children = [c for each in standing for c in each["child-sas"] if c["state"] == "INSTALLED"]
    return {
        "ike": sorted(each["initiator-spi"] for each in standing),
        "children": sorted(child["spi-in"] for child in children),
    }


def _changed(peer: str, before: dict[str, list[str]], kind: str) -> bool:
    """Wait until there are as many as before, and none of them is an old one."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        now = _spis(peer)[kind]
        if len(now) >= len(before[kind]) > 0 and not set(now) & set(before[kind]):
            return True
        time.sleep(0.2)
    return False


def _carried(asked: dict[str, Any]) -> dict[str, int]:
    """Return how many of some more pings were answered, and by what the new children's counters rose."""
    if not asked["answers"]:
        return {}
    before = _packets(asked["peer"])
    answered = sum(pinged(asked).seconds is not None for _ in range(5))
    after = _packets(asked["peer"])
    return {"answered": answered, **{key: after[key] - before[key] for key in after}}


def _packets(peer: str) -> dict[str, int]:
    children = [c for each in _standing(peer) for c in each["child-sas"] if c["state"] == "INSTALLED"]
    return {key: sum(int(child.get(key, 0)) for child in children) for key in ("packets-in", "packets-out")}


class _Passing(threading.Thread):
    """Pings that go on while something is done."""

    def __init__(self, asked: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.asked, self.sent, self.lost = asked, 0, 0
        self._enough = threading.Event()

    def __enter__(self) -> _Passing:
        if self.asked["answers"]:
            self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._enough.set()
        if self.asked["answers"]:
            self.join()

    def some_more(self) -> None:
        """Wait until enough has passed for a loss to show."""
        until = time.monotonic() + SECONDS
        while self.asked["answers"] and self.sent < ENOUGH and time.monotonic() < until:
            time.sleep(EVERY)

    def run(self) -> None:
        while not self._enough.wait(EVERY):
            self.sent += 1
            self.lost += pinged(self.asked).seconds is None
