"""Looks that wait for each other: many hosts at once, each looked at once, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from inventories.model import Host, load
from verify.observed import AT_ONCE, Observed

LAB = load("lab")


def test_more_looks_than_threads_may_wait_for_another_look_that_is_made_once_a_host() -> None:
    hosts = [LAB.hosts[0].model_copy(update={"name": f"edge{n}"}) for n in range(3 * AT_ONCE)]
    observed = Observed(LAB, "lab", {})
    made: Counter[str] = Counter()
    guard = threading.Lock()

    def first(seen: Observed, host: Host) -> str:
        with guard:
            made[host.name] += 1
        return host.name

    def second(seen: Observed, host: Host) -> str:
        return seen.get("first", host, first)

    observed.begin(hosts, {"second": second, "third": second})
    ended: list[str] = []
    thread = threading.Thread(
        target=lambda: ended.extend(observed.get("third", h, second) for h in hosts), daemon=True
    )
    thread.start()
    thread.join(20)
    assert ended == [host.name for host in hosts]
    assert set(made.values()) == {1}
    observed.close()


def test_what_a_look_raises_is_raised_to_everybody_who_asks() -> None:
    observed = Observed(LAB, "lab", {})
    tried: list[str] = []

    def look(seen: Observed, host: Host) -> None:
        tried.append(host.name)
        raise LookupError("dark")

    for _ in range(2):
        with pytest.raises(LookupError, match="dark"):
            observed.get("look", LAB.hosts[0], look)
    assert tried == ["edge1"]
    observed.close()
