"""Copies of what a set replaced: kept/<service>/<generation>/, the last five of each service."""

from __future__ import annotations

import os
from typing import Any

from . import clock, durable
from .entry import Entry, capture, from_record
from .places import state
from .problem import AgentError

FORMAT = 1
GENERATIONS = 5


def keep(service: str, name: str, paths: list[str], about: dict[str, Any]) -> tuple[str, list[Entry]]:
    """Copy what stands at `paths` into kept/<service>/<name>, complete or not at all; returns the store and
    entries."""
    home = state("kept", service)
    durable.make_dir(home)
    fresh, store = os.path.join(home, ".new"), os.path.join(home, name)
    durable.remove_tree(fresh)
    os.mkdir(fresh, 0o700)
    try:
        entries = [capture(path, fresh, str(index)) for index, path in enumerate(paths)]
        record = {
            "format": FORMAT,
            "when": clock.stamp(),
            **about,
            "entries": [entry.record() for entry in entries],
        }
        durable.write_json(os.path.join(fresh, "record.json"), record)
    except BaseException:
        durable.remove_tree(fresh)
        raise
    durable.remove_tree(store)
    os.rename(fresh, store)
    durable.sync_dir(home)
    return store, entries


def generations(service: str) -> list[int]:
    """The kept generations that a return can go back to, oldest first."""
    try:
        names = os.listdir(state("kept", service))
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if name.isdigit())


def next_generation(service: str) -> int:
    """A number above every one that was used, also by generations that were returned."""
    try:
        names = os.listdir(state("kept", service))
    except FileNotFoundError:
        return 1
    numbers = [int(name.removeprefix("undone-")) for name in names if name.removeprefix("undone-").isdigit()]
    return max(numbers, default=0) + 1


def read(service: str, generation: int) -> tuple[str, dict[str, Any], list[Entry]]:
    """The store of a generation, its record and its entries."""
    store = state("kept", service, str(generation))
    record = durable.read_json(os.path.join(store, "record.json"))
    if record is None or record.get("format") != FORMAT:
        raise AgentError(f"the kept copies in {store} are of no format that this release reads")
    return store, record, [from_record(entry) for entry in record["entries"]]


def prune(service: str) -> None:
    """Leave the last five generations and the last five that were undone."""
    home = state("kept", service)
    if not os.path.isdir(home):
        return
    undone = sorted(
        (int(name.removeprefix("undone-")) for name in os.listdir(home) if name.startswith("undone-")),
        reverse=True,
    )
    old = [str(number) for number in generations(service)[:-GENERATIONS]]
    for name in old + [f"undone-{number}" for number in undone[GENERATIONS:]]:
        durable.remove_tree(os.path.join(home, name))


def undo_since(guard: str) -> None:
    """Set aside the generations that were applied under a guard which has returned: the live files are
    older now."""
    home = state("kept")
    services = sorted(os.listdir(home)) if os.path.isdir(home) else []
    for service in services:
        for generation in generations(service):
            store, record, _ = read(service, generation)
            if record.get("guard") == guard:
                aside = os.path.join(home, service, f"undone-{generation}")
                durable.remove_tree(aside)
                os.rename(store, aside)
                durable.sync_dir(os.path.dirname(store))
