"""The twin that the tests in this directory share: the lab, as delivered, under a name of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from one_lab import whole_lab

from inventories.model import Environment, load
from prove.release import PAIR
from twin.room import PATIENCE
from twin.twin import Twin

os.environ.setdefault(PATIENCE, "1500")
"""Files are tested side by side, and a machine carries a dozen hosts: a twin waits for others to go."""


@pytest.fixture(scope="session")
def lab() -> Environment:
    """The laboratory's declaration."""
    return load("lab")


UNTOUCHED: set[str] = set()
"""The twins that no file has had yet."""


def _kept(environment: Environment, name: str) -> Iterator[Twin]:
    """Lend a twin with a snapshot `bare`; it is erased at the end."""
    twin = Twin(environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-{name}")
    twin.erase()
    try:
        twin.up()
        twin.snapshot("bare")
        UNTOUCHED.add(twin.name)
        yield twin
    finally:
        twin.erase()


@pytest.fixture(scope="session")
def whole(lab: Environment, worker_id: str) -> Iterator[Twin]:
    """A twin of the whole lab.

    Where several files are tested at a time (pytest-xdist) each process has one of its own.
    """
    yield from _kept(lab, f"tests-{worker_id}")


@pytest.fixture(scope="session")
def pair(lab: Environment, worker_id: str) -> Iterator[Twin]:
    """A twin of the lab's two plain hosts, for files that need no more: what else the lab has costs time."""
    yield from _kept(lab.part(*PAIR), f"pair-{worker_id}")


@pytest.fixture(scope="session")
def web(lab: Environment, worker_id: str) -> Iterator[Twin]:
    """A twin of the lab's web server, with the registry and the databases that it asks outside."""
    yield from _kept(lab.part("web1"), f"web-{worker_id}")


@pytest.fixture(scope="module")
def twin(request: pytest.FixtureRequest) -> Iterator[Twin]:
    """The twin as delivered, up while a file's tests run: a machine's inotify instances carry a dozen hosts.

    Of the hosts that the file names in `TWIN`: the `pair`, the `web` server, or else the whole lab.
    """
    of = getattr(request.module, "TWIN", "whole")
    with whole_lab() if of == "whole" else nullcontext():
        held: Twin = request.getfixturevalue(of)
        if held.name in UNTOUCHED:
            UNTOUCHED.remove(held.name)
        else:
            held.restore("bare")  # not as another file left it
        yield held
        held.down()


@pytest.fixture
def bare(twin: Twin) -> Twin:
    """The same twin, every host as the provider delivers it."""
    twin.restore("bare")
    return twin
