"""What holds for every test: in CI nothing is skipped, a missing capability fails by its name."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")


def pytest_configure() -> None:
    """Hear Ctrl-C also where a shell in the background told its children to ignore it (POSIX sh, 2.11)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin the lab's story first: it takes longest, and mostly waits while the fast tests work beside it."""
    items.sort(key=lambda item: item.path.name != "test_lab.py")


@pytest.fixture(scope="session")
def top() -> Path:
    """The top directory of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI: what was not proven there would look as if it were."""
    return _unskipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure in CI."""
    return _unskipped((yield))


def _unskipped(report: Report) -> Report:
    if IN_CI and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped in CI: {reason}"
    return report
