"""Where things are kept on the controller: state, cache and run-time files."""

from __future__ import annotations

import os
from pathlib import Path

from control.operator import operator


def home() -> Path:
    """Return the directory of lasting state (`TRUNKLINE_HOME`)."""
    return Path(os.environ.get("TRUNKLINE_HOME", "/var/lib/trunkline"))


def own() -> Path:
    """Return the directory of what lasts and needs no root: the operator's own (XDG_STATE_HOME).

    `TRUNKLINE_HOME` names another for both.
    """
    its = operator()
    if "TRUNKLINE_HOME" in os.environ or its.uid == 0:
        return home()
    return Path(os.environ.get("XDG_STATE_HOME") or its.home / ".local/state") / "trunkline"


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
    """Return the directory of one instance's keys, pinned host keys and secrets."""
    return home() / "environments" / instance


def history_of(instance: str, *, in_twin: bool) -> Path:
    """Return the directory of an instance's records: with a twin's state, but a real environment's is its
    operator's, whether they work by `./setup` or as themselves."""
    return (home() if in_twin else own()) / "environments" / instance / "history"


def twin_of(name: str) -> Path:
    """Return the directory of one twin's disks and snapshots."""
    return home() / "twins" / name


def controller_key_of(instance: str) -> Path:
    """Return the private SSH key that the controller of a twin environment uses."""
    return state_of(instance) / "id_ed25519"
