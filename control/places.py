"""Where things are kept on the controller: state, cache and run-time files."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the directory of lasting state (`TRUNKLINE_HOME`)."""
    return Path(os.environ.get("TRUNKLINE_HOME", "/var/lib/trunkline"))


def cache() -> Path:
    """Return the directory of what can be made again: images, packages (`TRUNKLINE_CACHE`)."""
    return Path(os.environ.get("TRUNKLINE_CACHE", "/var/cache/trunkline"))


def run() -> Path:
    """Return the directory of pids and sockets, empty after a reboot (`TRUNKLINE_RUN`)."""
    return Path(os.environ.get("TRUNKLINE_RUN", "/run/trunkline"))


def instance_of(environment: str, *, in_twin: bool, twin: str | None = None) -> str:
    """Return the name under which an environment's state is kept: the twin's name where it lives in one."""
    if not in_twin:
        return environment
    return twin or os.environ.get("TRUNKLINE_TWIN") or environment


def state_of(instance: str) -> Path:
    """Return the directory of one instance's keys, pinned host keys, secrets and history."""
    return home() / "environments" / instance


def twin_of(name: str) -> Path:
    """Return the directory of one twin's disks and snapshots."""
    return home() / "twins" / name


def controller_key_of(instance: str) -> Path:
    """Return the private SSH key that the controller of a twin environment uses."""
    return state_of(instance) / "id_ed25519"
