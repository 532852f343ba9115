"""The twin that the tests in this directory share: the lab, as delivered, under a name of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from inventories.model import Environment, load
from twin.twin import Twin


@pytest.fixture(scope="session")
def lab() -> Environment:
    """The laboratory's declaration."""
    return load("lab")


@pytest.fixture(scope="session")
def kept(lab: Environment, worker_id: str) -> Iterator[Twin]:
    """A twin of the lab with a snapshot `bare`; it is erased at the end.

    Where several files are tested at a time (pytest-xdist) each process has one of its own.
    """
    twin = Twin(lab, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-tests-{worker_id}")
    twin.erase()
    try:
        twin.up()
        twin.snapshot("bare")
        yield twin
    finally:
        twin.erase()


@pytest.fixture(scope="module")
def twin(kept: Twin) -> Iterator[Twin]:
    """The twin, running while a file's tests do: a machine's inotify instances carry a dozen hosts only."""
    kept.up()
    yield kept
    kept.down()


@pytest.fixture
def bare(twin: Twin) -> Twin:
    """The same twin, every host as the provider delivers it."""
    twin.restore("bare")
    return twin
