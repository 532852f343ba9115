"""A twin that a file of tests has for itself, with deploys that lie beside the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from twin.twin import Twin

HERE = Path(__file__).resolve().parent


@contextmanager
def own(twin: Twin) -> Iterator[None]:
    """Have a twin up, from nothing, and erase it in the end; an engine finds this directory's modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        twin.erase()
        try:
            twin.up()
            yield
        finally:
            twin.erase()
