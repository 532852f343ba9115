"""Where the pinned host keys of an environment stand, and the command that pins them."""

from __future__ import annotations

from pathlib import Path

from control import places
from inventories.model import Environment

INVENTORIES = Path(__file__).resolve().parent.parent / "inventories"


def known_hosts_of(environment: Environment, instance: str) -> Path:
    """Return the file of pinned host keys: in the state of a twin, else beside the inventory."""
    if environment.in_twin:
        return places.state_of(instance) / "known_hosts"
    return INVENTORIES / f"{environment.name}.known_hosts"


def trusting(environment: Environment, instance: str, replaced: str = "") -> str:
    """Return the command that pins the hosts' keys; for the host `replaced` in place of its old ones."""
    command = f"invoke trust --env {environment.name}"
    if environment.in_twin and instance != environment.name:
        command += f" --twin {instance}"
    return f"{command} --replace {replaced}" if replaced else command
