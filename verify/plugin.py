"""The pytest plugin: options, which checks run on which host, verdicts, blocked checks, the report."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from control.errors import TrunklineError
from inventories.model import Host
from verify import fixtures
from verify.checks import Check, check_of, in_order
from verify.console import Quiet
from verify.looks import LOOKS
from verify.report import entry_of
from verify.run import RUN, Run
from verify.verdict import Blocked, Judgement, NotProven


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options; --strict is pytest's own and means: nothing may be left unproven."""
    group = parser.getgroup("trunkline", "checks of an environment")
    group.addoption("--env", metavar="NAME", help="the environment to check")
    group.addoption(
        "--twin", metavar="NAME", help="the twin it lives in, where its name is not the environment's"
    )
    group.addoption("--host", action="append", default=[], metavar="NAME", help="only this host (repeatable)")
    group.addoption("--check", action="append", default=[], metavar="ID", help="only this check (repeatable)")
    group.addoption("--disruptive", action="store_true", help="also checks that disturb a host or take long")
    group.addoption("--report", type=Path, metavar="FILE", help="write the whole outcome as JSON")
    group.addoption("--list-checks", action="store_true", help="list ids, faults and claims; look at nothing")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load the environment; a wrong name ends the run with one sentence."""
    if config.option.list_checks:
        config.option.collectonly = True
    if config.option.collectonly and not config.option.list_checks and not config.option.env:
        return
    _silence(config)
    if config.option.list_checks:
        return
    try:
        config.stash[RUN] = Run(config.option)
    except TrunklineError as error:
        _end(error)
    config.pluginmanager.register(fixtures, "trunkline-fixtures")


def _end(error: TrunklineError) -> NoReturn:
    """End the run with one sentence and exit code 1."""
    pytest.exit(f"{error.message} {error.remedy}".strip(), returncode=1)


def _silence(config: pytest.Config) -> None:
    """Put our lines in the place of pytest's."""
    standard = config.pluginmanager.get_plugin("terminalreporter")
    if standard is not None:
        config.pluginmanager.unregister(standard)
        config.pluginmanager.register(Quiet(config), "terminalreporter")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item of each check for each host that has what the check is about."""
    check = check_of(metafunc.function)
    run = metafunc.config.stash.get(RUN, None)
    if check is None or run is None:
        return
    hosts = [host for host in run.hosts if check.applies is None or check.applies(host)]
    metafunc.parametrize("declared", hosts, ids=[h.name for h in hosts])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Choose by id, bring back what the chosen checks need, and put causes before consequences."""
    run = config.stash.get(RUN, None)
    everything = [item for item in items if _is_about_a_host(item)]
    yield
    if run is None:
        return
    items[:] = _ordered(_with_needed(_asked(items, run), everything), everything)


def _asked(items: list[pytest.Item], run: Run) -> list[pytest.Item]:
    """Keep the checks asked for; a disruptive one only by --disruptive or by its own id."""
    known = {found.id for item in items if (found := _check(item))}
    if unknown := [id for id in run.checks if id not in known]:
        _end(TrunklineError(f"There is no check {', '.join(unknown)}.", "--list-checks lists them."))
    kept = []
    for item in items:
        check = _check(item)
        if check is None or not _is_about_a_host(item) or (run.checks and check.id not in run.checks):
            continue
        if check.disruptive and not run.disruptive and not run.checks:
            run.report.not_run.append(f"{_host(item).name}/{check.id}")
            continue
        kept.append(item)
    return kept


def _with_needed(chosen: list[pytest.Item], everything: list[pytest.Item]) -> list[pytest.Item]:
    by_key = {(_host(item).name, check.id): item for item in everything if (check := _check(item))}
    wanted: dict[pytest.Item, None] = {}
    queue = list(chosen)
    while queue:
        item = queue.pop(0)
        if item in wanted:
            continue
        wanted[item] = None
        check = _check(item)
        needs = check.needs if check else ()
        queue += [by_key[key] for need in needs if (key := (_host(item).name, need)) in by_key]
    return [item for item in everything if item in wanted]


def _ordered(items: list[pytest.Item], everything: list[pytest.Item]) -> list[pytest.Item]:
    checks = {check.id: check for item in everything if (check := _check(item))}
    place = {id: number for number, id in enumerate(in_order(checks))}
    return sorted(items, key=lambda item: place[found.id] if (found := _check(item)) else -1)


def _check(item: pytest.Item) -> Check | None:
    return check_of(getattr(item, "function", None))


def _is_about_a_host(item: pytest.Item) -> bool:
    """Tell apart what pytest makes of a check that no chosen host has anything to do with."""
    made = getattr(item, "callspec", None)
    return made is not None and isinstance(made.params.get("declared"), Host)


def _host(item: pytest.Item) -> Host:
    host: Host = item.callspec.params["declared"]  # type: ignore[attr-defined]
    return host


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Begin every look that the chosen checks will ask for, then run them."""
    run = session.config.stash.get(RUN, None)
    if run is None or session.config.option.collectonly or not session.items:
        return (yield)
    try:
        observed = run.look()
    except TrunklineError as error:
        _end(error)
    for name, look in LOOKS.items():  # what takes longest is begun first
        asking = (item for item in session.items if name in getattr(item, "fixturenames", ()))
        observed.begin({_host(item).name: _host(item) for item in asking}.values(), {name: look})
    try:
        return (yield)
    finally:
        observed.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Do not even look where a check that this one needs did not hold."""
    run, check = item.config.stash.get(RUN, None), _check(item)
    if run and check and (root := run.report.root_of(_host(item).name, check.needs)):
        raise Blocked(root)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn how a check ended into its verdict."""
    report = yield
    run, check = item.config.stash.get(RUN, None), _check(item)
    if run is None or check is None or call.when == "teardown" or (call.when == "setup" and report.passed):
        return report
    judged = entry_of(check, _host(item).name, _judgement(call.excinfo), _evidence(item), call.duration)
    entry = run.report.add(judged)
    report.user_properties = [*report.user_properties, ("verdict", entry.verdict), ("claim", entry.line())]
    report.outcome = "failed" if entry.gates else "skipped" if entry.blocked_by else "passed"
    report.longrepr = (str(item.path), 0, entry.line()) if entry.blocked_by else entry.line()
    return report


def _judgement(raised: pytest.ExceptionInfo[BaseException] | None) -> Judgement | None:
    if raised is None or isinstance(raised.value, Judgement):
        return raised.value if raised is not None else None  # type: ignore[return-value]
    if isinstance(raised.value, KeyboardInterrupt):
        raise raised.value
    where = raised.traceback[-1]
    at = f"{Path(str(where.path)).name}:{where.lineno + 1}"
    return NotProven(f"the check broke at {at}: {type(raised.value).__name__}: {raised.value}", "an answer")


def _evidence(item: pytest.Item) -> dict[str, Any]:
    return dict(getattr(item, "funcargs", {}).get("evidence", {}))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report, and let the exit code say whether all holds; an interruption keeps its own."""
    run = session.config.stash.get(RUN, None)
    if run is None or session.config.option.collectonly:
        return
    if run.report.entries and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        session.exitstatus = pytest.ExitCode.OK if run.report.ok else pytest.ExitCode.TESTS_FAILED
    if session.config.option.report:
        run.report.save(session.config.option.report, run.seconds)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in one line what it came to."""
    run = config.stash.get(RUN, None)
    if run is not None and run.report.entries and not config.option.collectonly:
        for line in _closing(run):
            print(line)


def _closing(run: Run) -> Iterator[str]:
    yield from run.report.behind()
    yield run.report.summary(run.seconds)
