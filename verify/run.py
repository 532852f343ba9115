"""One run of the checks: the environment, its chosen hosts, what was observed, the report."""

from __future__ import annotations

import argparse
import signal
import time
from datetime import UTC, datetime

import pytest

from control import places
from control.errors import TrunklineError
from inventories.model import Environment, Host, ModelError, Problem, load
from verify import far
from verify.observed import Observed
from verify.report import Report
from verify.station import Station
from verify.vantage import Vantage


class Run:
    """One run. Raises TrunklineError for an environment or a host that nobody declared."""

    def __init__(self, option: argparse.Namespace) -> None:
        self.environment = _environment(option.env)
        self.instance = places.instance_of(
            self.environment.name, in_twin=self.environment.in_twin, twin=option.twin
        )
        self.hosts = _chosen(self.environment, option.host)
        self.checks: list[str] = option.check
        self.disruptive: bool = option.disruptive
        strict = "strict=true" in (option.override_ini or ())
        self.began = time.monotonic()
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self.report = Report(self.environment.name, self.instance, started, strict)
        self.observed: Observed | None = None

    @property
    def seconds(self) -> float:
        """How long this run has taken."""
        return time.monotonic() - self.began

    def look(self) -> Observed:
        """Take the controller's place in the network, and begin."""
        around = dict[str, Vantage]()
        if self.environment.in_twin:
            from twin.enter import enter

            enter(self.instance, "controller")
        station = Station()
        vantages = {"controller": Vantage("controller", station=station)}
        if self.environment.in_twin:
            vantages["stranger"] = far.inside(self.instance, "stranger", station)
            around = far.vantages(self.environment, self.instance, station)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: nothing is left open
        self.observed = Observed(self.environment, self.instance, vantages, thorough=self.disruptive)
        self.observed.station = station
        self.observed.around_tunnels = around
        return self.observed


def _environment(name: str | None) -> Environment:
    if not name:
        raise TrunklineError("Which environment is to be checked?", "Say it: pytest verify/ --env lab")
    try:
        environment = load(name)
    except LookupError as error:
        raise TrunklineError(f"{error.args[0]}.") from None
    except ModelError as error:
        raise _refused(name, error.problems) from None
    if problems := tuple(environment.lint()):
        raise _refused(name, problems)
    return environment


def _refused(name: str, problems: tuple[Problem, ...]) -> TrunklineError:
    rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return TrunklineError(
        f"{name} is refused: {problems[0]}{rest}.", f"`invoke lint --env {name}` shows all."
    )


def _chosen(environment: Environment, names: list[str]) -> tuple[Host, ...]:
    known = [host.name for host in environment.hosts]
    if unknown := [name for name in names if name not in known]:
        raise TrunklineError(
            f"{environment.name} has no host {', '.join(unknown)}.", f"Its hosts are: {', '.join(known)}."
        )
    return tuple(host for host in environment.hosts if not names or host.name in names)


RUN = pytest.StashKey[Run]()
