"""What a person reads while the checks run: a line for each that is not ok, in pytest's reporter's place."""

from __future__ import annotations

import sys

import pytest
from _pytest._io import TerminalWriter

from verify.checks import Check, check_of

TOLD = {"fail": "red", "not proven": "yellow", "warn": "yellow"}


class Quiet:
    """No dots, no percentages, no tracebacks of checks; under the name pytest's own reporter has."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._tw = TerminalWriter(sys.stdout)  # config.get_terminal_writer() asks for it by this name
        self.listing: bool = config.option.list_checks
        self.begun = False

    def pytest_sessionstart(self) -> None:
        """From here on pytest itself does not say why a run ended early."""
        self.begun = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say one line when a check ends with anything but ok; with -v each one."""
        told = dict(report.user_properties)
        verdict = str(told.get("verdict"))
        if report.when == "teardown" and report.failed:
            self._tw.line(str(report.longrepr))
        if "verdict" not in told or (report.when == "setup" and report.passed and verdict == "ok"):
            return
        if report.when != "teardown" and (verdict in TOLD or self.config.option.verbose > 0):
            self._tw.line(str(told["claim"]), **({TOLD[verdict]: True} if verdict in TOLD else {}))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """List the checks when that is all that was asked for."""
        if not self.listing:
            return
        functions = (getattr(item, "function", None) for item in session.items)
        checks: dict[str, Check] = {found.id: found for each in functions if (found := check_of(each))}
        for check in checks.values():
            self._tw.line("\t".join((check.id, ",".join(check.faults), check.claim)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read is told whole."""
        if report.failed:
            self._tw.line(str(report.longrepr))

    def pytest_internalerror(self, excrepr: object) -> None:
        """A defect of ours is told whole."""
        self._tw.line(str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say why the run ended early."""
        said = getattr(excinfo.value, "msg", None)
        if self.begun:
            self._tw.line(f"error: {said}" if said else "Interrupted: the checks left over were not run.")
