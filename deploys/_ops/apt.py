"""Packages: one installation for all services of a host; no question asked, no service started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploys._engine import report
from deploys._ops import live
from deploys._ops.operation import operation
from deploys._ops.script import command

STALE = 24 * 3600
"""Seconds after which package lists are too old to install from."""
PATIENCE = 1500
"""Seconds an installation may take, the wait for somebody else's lock included."""


@operation
def packages(names: Sequence[str]) -> Iterator[str]:
    """Install what is missing; an interrupted dpkg is finished first."""
    seen = live.system()["packages"]
    missing = [name for name in sorted(names) if name in seen["missing"]]
    broken = seen["broken"] if isinstance(seen["broken"], list) else ["an interrupted dpkg"] * seen["broken"]
    options = ["--repair"] * bool(broken)
    if missing and (seen["lists_age"] is None or seen["lists_age"] > STALE):
        options.append("--update")
    if not missing and not broken and not seen["policy_left"]:
        report.plan(None, "none")
        return
    lines = [f"finish {name}" for name in broken] + [f"+ {name}" for name in missing]
    report.plan(None, "change", "\n".join(lines))
    yield command("apt_install", *missing, *options)
