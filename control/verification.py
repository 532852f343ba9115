"""Run the checks, each from where it must look, and tell what they came to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control.atomic import write_private
from control.console import Console
from control.errors import TrunklineError
from control.target import Target

ROOT = Path(__file__).resolve().parent.parent
NO_CHECK = 5
"""pytest's exit code when nothing was collected."""
LEAN = ("-q", "-p", "no:cacheprovider", "--assert=plain", "-o", "addopts=")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""The checks need nothing of other plugins, and judge by exceptions of their own: that is a second less."""
NOWHERE: Mapping[str, Path] = {}
VERDICTS = ("ok", "warn", "fail", "not proven", "blocked")


@dataclass(frozen=True)
class Verification:
    """What the checks came to."""

    checks: tuple[dict[str, Any], ...]
    seconds: float
    passed: bool
    """Nothing that gates failed or was left unproven; if strict, nothing at all was left unproven."""

    @property
    def verdicts(self) -> dict[str, int]:
        """How many checks came to each verdict."""
        counted = Counter(check["verdict"] for check in self.checks)
        return {verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]}

    def of(self, *verdicts: str) -> list[dict[str, Any]]:
        """Return the checks that came to one of these verdicts."""
        return [check for check in self.checks if check["verdict"] in verdicts]

    @property
    def failures(self) -> list[str]:
        """The ids of the checks that stand against the environment: failed, or unproven where they gate."""
        return sorted(check["id"] for check in self.checks if check["gates"])


def verify(
    target: Target, console: Console, *, strict: bool = False, disruptive: bool = False, keyword: str = "",
    kept: Mapping[str, Path] = NOWHERE,
) -> Verification:  # fmt: skip
    """Run every check of the chosen hosts in a process of its own and return its report.

    The outcome is kept in the files of `kept` as well, by form: `report` (JSON), `junit` (JUnit's XML).
    Raises TrunklineError where the checks could not run at all.
    """
    with tempfile.TemporaryDirectory(prefix="trunkline-verify-") as directory:
        report, junit = Path(directory) / "report.json", Path(directory) / "junit.xml"
        argv = _argv(target, report, strict=strict, disruptive=disruptive, keyword=keyword)
        argv += ["--junitxml", str(junit)] if "junit" in kept else []
        returncode, said = _run(argv, target, console)
        if returncode == NO_CHECK:
            raise TrunklineError(
                f"No check matches {keyword!r}.", "`pytest verify/ --list-checks` names them all."
            )
        if not report.exists():
            raise _broken_off(said)
        held = json.loads(report.read_text())
        if returncode not in (0, 1) or held["ok"] != (returncode == 0):
            raise _broken_off(said)
        for form, path in kept.items():  # they hold what was seen on the hosts: for their owner alone
            write_private(path, (junit if form == "junit" else report).read_bytes())
    return Verification(tuple(held["checks"]), held["seconds"], held["ok"])


def _argv(target: Target, report: Path, *, strict: bool, disruptive: bool, keyword: str) -> list[str]:
    argv = [sys.executable, "-m", "pytest", "verify/", "--env", target.environment.name]
    if target.environment.in_twin:
        argv += ["--twin", target.instance]
    argv += ["--report", str(report), *LEAN]
    for name in target.names if target.limited else ():
        argv += ["--host", name]
    argv += ["--strict"] if strict else []
    argv += ["--disruptive"] if disruptive else []
    return argv + (["-k", keyword] if keyword else [])


def _run(argv: list[str], target: Target, console: Console) -> tuple[int, str]:
    """Run pytest; end it, and wait for it, when we are interrupted."""
    surroundings = {**os.environ, **ALONE}
    if target.environment.in_twin:
        surroundings["TRUNKLINE_TWIN"] = target.instance
    with console.progress("verify") as board:
        board.working("all hosts", "checks")
        process = subprocess.Popen(
            argv, cwd=ROOT, env=surroundings, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise KeyboardInterrupt("Interrupted while verifying: nothing was changed by that.") from None
        board.done("all hosts", "checks")
    if console.debug:
        print(said, file=sys.stderr)
    return process.returncode, said


def _broken_off(said: str) -> TrunklineError:
    """Return why the checks could not run, in the plugin's own sentence where it has one."""
    last, remedy = _last(said), "`invoke verify --debug` shows all that pytest said."
    if last.startswith("error: "):
        return TrunklineError(f"{last.removeprefix('error: ')}.", remedy)
    return TrunklineError(f"The checks could not run: {last}.", remedy)


def _last(said: str) -> str:
    """Return the line of an output that says why: the last error, else the last words."""
    lines = [line.strip(" =-") for line in said.splitlines() if line.strip(" =-")]
    errors = [line for line in lines if line.startswith(("E  ", "ERROR", "error:"))]
    return (errors or lines or ["pytest said nothing"])[-1].removeprefix("E  ").strip(" .")


def tell(verification: Verification, console: Console) -> None:
    """Show the counts, then each failure with its evidence, its remedy and what it blocks."""
    for check in verification.checks:
        console.event("check", **check)
    if console.as_json:
        console.event("verified", verdicts=verification.verdicts, seconds=verification.seconds)
        return
    for check in verification.of("fail"):
        _failure(check, verification, console)
    for check in verification.of("warn"):
        console.warn(f"warn  {check['id']}: {check['claim']}: {evidence(check)}")
    for check in verification.of("not proven"):
        console.say(f"not proven  {check['id']}: {evidence(check)}", "yellow")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verification.verdicts.items())
    style = "bold green" if verification.passed else "bold red"
    console.say(f"verify: {counts or 'no check'} in {verification.seconds:.1f} s", style)


def _failure(check: dict[str, Any], verification: Verification, console: Console) -> None:
    console.say(f"FAIL  {check['id']}: {check['claim']}", "red")
    console.say(f"      {evidence(check)}")
    if check["remedy"]:
        console.say(f"      do: {check['remedy']}")
    behind = [each["id"] for each in verification.of("blocked") if each["blocked_by"] == check["id"]]
    if behind:
        console.say(f"      blocked by it: {', '.join(behind)}", "dim")


def evidence(check: dict[str, Any]) -> str:
    """Return what a check saw, and what it wanted to see, as one line."""
    parts = [f"{word} {_brief(check[word])}" for word in ("seen", "wanted") if check[word]]
    return ", ".join(parts) or "nothing more is known"


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 400 else line[:397] + "..."
