#!/usr/bin/python3 -I
"""Have Docker take on /etc/docker/daemon.json: by a reload where that is enough, else by a restart.

With live-restore containers run on over a restart; a reload comes first, so that this very setting is in
force before. Docker itself does not tell what it was started with: what was loaded last is written down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

CONFIG = "/etc/docker/daemon.json"
LOADED = "/var/lib/trunkline/docker.loaded"
UNIT = "docker.service"
RELOADABLE = {
    "debug",
    "labels",
    "live-restore",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "registry-mirrors",
    "insecure-registries",
    "shutdown-timeout",
    "features",
}
"""What dockerd(8) takes on at SIGHUP."""


def systemctl(*words: str) -> None:
    """Call systemctl; SystemExit with its words and the unit's last ones when it fails."""
    done = subprocess.run(("systemctl", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        journal = ("journalctl", "--unit", UNIT, "--lines", "3", "--output", "cat", "--no-pager")
        said = subprocess.run(journal, capture_output=True, text=True, check=False).stdout
        sys.exit(f"systemctl {' '.join(words)}: {done.stderr.strip()} {' '.join(said.split())}")


def is_active() -> bool:
    """Say whether the engine runs."""
    argv = ("systemctl", "is-active", "--quiet", UNIT)
    return subprocess.run(argv, check=False).returncode == 0


def read(path: str) -> dict[str, Any] | None:
    """Return a file's JSON object; None where there is none."""
    try:
        with open(path) as file:
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return found


def started_after(path: str) -> bool:
    """Say whether the engine was started after a file was written, and so has read it."""
    argv = ("systemctl", "show", "--property", "ActiveEnterTimestamp", "--timestamp=unix", "--value", UNIT)
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip().lstrip("@")
    return said.isdigit() and int(said) > os.stat(path).st_ctime + 1


def main() -> None:
    """Start, reload or restart."""
    wanted, loaded = read(CONFIG), read(LOADED)
    if wanted is None:
        sys.exit(f"{CONFIG} is no JSON object")
    changed = {key for key in {*wanted, *(loaded or {})} if wanted.get(key) != (loaded or {}).get(key)}
    if os.path.exists(LOADED):
        os.unlink(LOADED)
    if is_active() and not started_after(CONFIG):
        systemctl("reload", UNIT)
        # A setting that is gone from the file stays as it was until the next start.
        if loaded is None or changed - (RELOADABLE & wanted.keys()):
            # Three starts a minute are all that systemd allows the unit, whoever asked for them.
            systemctl("reset-failed", UNIT)
            systemctl("restart", UNIT)
    elif not is_active():
        subprocess.run(("systemctl", "reset-failed", UNIT), capture_output=True, check=False)
        systemctl("start", UNIT)
    os.makedirs(os.path.dirname(LOADED), mode=0o700, exist_ok=True)
    with open(f"{LOADED}.new", "w") as file:
        json.dump(wanted, file)
    os.rename(f"{LOADED}.new", LOADED)


main()
