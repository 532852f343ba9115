"""systemd units: enabled, running, restarted only where something changed."""

from __future__ import annotations

from collections.abc import Iterator

from deploys._engine import report
from deploys._ops import live
from deploys._ops.operation import operation

OURS = "/etc/systemd/system"
"""Where an administrator's own units are; a unit there cannot be masked (systemctl(1))."""


@operation
def unit(unit: str, running: bool = True) -> Iterator[str]:
    """Enable a unit and keep it running; one that was masked is unmasked.

    A unit whose conditions (systemd.unit(5)) were tried and do not hold on this host is left stopped.
    """
    seen = live.system()["units"].get(unit, {})
    commands = []
    if seen.get("LoadState") == "masked" or seen.get("UnitFileState", "").startswith("masked"):
        commands.append(f"systemctl unmask {unit} && systemctl unmask --runtime {unit}")
    if seen.get("UnitFileState") not in ("enabled", "static", "indirect", "alias", "generated"):
        commands.append(f"systemctl enable {unit}")
    if running and seen.get("ActiveState") not in ("active", "activating", "reloading") and not refused(seen):
        commands.append(f"systemctl start {unit}")
    report.plan(None, "change" if commands else "none", "\n".join(commands))
    yield from commands


def refused(seen: dict[str, str]) -> bool:
    """Say whether systemd has tried to start a unit and found that its conditions do not hold."""
    tried = seen.get("ConditionTimestampMonotonic", "0") != "0"
    return tried and seen.get("ConditionResult") == "no" and seen.get("ActiveState") == "inactive"


@operation
def removed(units: tuple[str, ...]) -> Iterator[str]:
    """Stop and mask units that are no longer declared; one whose file is ours loses the file instead."""
    seen = live.system()["units"]
    absent = ("masked", "not-found", None)
    present = [unit for unit in units if seen.get(unit, {}).get("LoadState") not in absent]
    report.plan(None, "change" if present else "none", "\n".join(f"- {unit}" for unit in present))
    for unit in present:
        yield f"systemctl disable --now {unit} && {{ [ -f {OURS}/{unit} ] || systemctl mask {unit}; }}"
