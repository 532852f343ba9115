"""How long the lab takes: cold, warm, with nothing to do, and a bare shell script beside it.

Run it on a machine with nothing else to do: `python -m benchmarks.lab [--cold] [--hosts edge1,edge2]`. Goals
were set for labs of two and three hosts. The result is kept in `benchmarks/lab.json`, by hosts, with the
commit it was measured on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from deploys.site import packages_of
from inventories.model import load
from prove.release import only
from prove.tree import lent
from twin.twin import Twin

TOP = Path(__file__).resolve().parent.parent
KEPT = TOP / "benchmarks" / "lab.json"
NAME = "bench"
OKAY = (0, 3)


@dataclass(frozen=True)
class Goals:
    """Seconds that each thing should take at most; None where nobody has said."""

    cold: float | None = None
    warm: float | None = None
    plan: float | None = None
    nothing: float | None = None
    verify: float | None = None


GOALS = {
    ("edge1", "edge2"): Goals(cold=240, warm=60, plan=3, nothing=15),
    ("edge1", "edge2", "web1"): Goals(cold=360, warm=120, verify=15),
}
"""By the hosts that the lab had when they were set."""


@dataclass(frozen=True)
class Timing:
    """One thing that was measured."""

    what: str
    seconds: float
    goal: float | None
    """Seconds it should take at most; None where it is measured for comparison only."""


def timed(top: Path, *argv: str, cache: Path | None = None) -> float:
    """Run an invoke command against the benchmark's own twin and return its seconds; raises when it fails."""
    environment = {**os.environ, "TRUNKLINE_TWIN": NAME, "PYTHONPATH": str(top)}
    if cache is not None:
        environment["TRUNKLINE_CACHE"] = str(cache)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *argv], cwd=top, env=environment, capture_output=True, text=True
    )
    seconds = time.monotonic() - began
    if done.returncode not in OKAY:
        raise SystemExit(f"invoke {' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return round(seconds, 2)


def bare_script(twin: Twin) -> float:
    """Install the same packages on all hosts at once by a shell script: the least a fresh deploy takes."""
    twin.up()

    def install(name: str) -> None:
        packages = " ".join(packages_of(twin.environment.host(name)))
        script = (
            f"export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y install {packages}"
        )
        done = twin.run(name, script, timeout=600)
        if done.returncode:
            raise SystemExit(f"the bare script failed on {name}: {done.stderr}")

    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        list(pool.map(install, [host.name for host in twin.environment.hosts]))
    return round(time.monotonic() - began, 2)


def cold(twin: Twin, top: Path, goal: float | None) -> Timing:
    """Deploy with an empty cache: images and packages are fetched and made."""
    twin.erase()
    cache = Path(tempfile.mkdtemp(prefix="trunkline-bench-"))
    cache.chmod(0o755)
    try:
        return Timing("cold: nothing cached, to the deployed lab", timed(top, "deploy", cache=cache), goal)
    finally:
        twin.erase()
        shutil.rmtree(cache, ignore_errors=True)


def measured(twin: Twin, top: Path, goals: Goals, *, with_cold: bool) -> list[Timing]:
    """Measure everything, one after the other."""
    timings = [cold(twin, top, goals.cold)] if with_cold else []
    twin.erase()
    timings.append(Timing("a bare script: the same packages, twin up", bare_script(twin), None))
    twin.erase()
    timings.append(Timing("warm: to the deployed lab", timed(top, "deploy"), goals.warm))
    for what, command, goal in (
        ("plan that finds nothing to change", "plan", goals.plan),
        ("whole deploy that changes nothing, with verify", "deploy", goals.nothing),
        ("verify alone", "verify", goals.verify),
    ):
        timings.append(Timing(what, min(timed(top, command) for _ in range(3)), goal))
    twin.erase()
    return timings


def kept(hosts: tuple[str, ...], timings: list[Timing]) -> None:
    """Keep the result beside those of other hosts."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=TOP, capture_output=True, text=True, check=True
    ).stdout.strip()
    result = json.loads(KEPT.read_text())
    result[",".join(hosts)] = {
        "commit": commit, "cores": os.cpu_count(), "timings": [asdict(timing) for timing in timings],
    }  # fmt: skip
    KEPT.write_text(json.dumps(result, indent=1) + "\n")


def main() -> int:
    """Measure, print a table, keep the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cold", action="store_true", help="also with an empty cache (some minutes)")
    parser.add_argument("--hosts", help="a lab of these hosts alone, such as edge1,edge2 (default: all)")
    given = parser.parse_args()
    lab = load("lab")
    hosts = tuple(given.hosts.split(",")) if given.hosts else tuple(host.name for host in lab.hosts)
    with lent((only(*hosts),)) as top:
        twin = Twin(lab.part(*hosts), NAME)
        timings = measured(twin, top, GOALS.get(hosts, Goals()), with_cold=given.cold)
    kept(hosts, timings)
    for timing in timings:
        goal = f"goal {timing.goal:.0f} s" if timing.goal else "for comparison"
        print(f"{timing.seconds:8.2f} s  {timing.what} ({goal})")
    return 0 if all(t.goal is None or t.seconds <= t.goal for t in timings) else 1


if __name__ == "__main__":
    raise SystemExit(main())
