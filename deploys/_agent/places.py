"""Where things stand on the host. `AGENT_ROOT` puts a directory before every path of the host."""

from __future__ import annotations

import os
import sys

UNITS = "/etc/systemd/system"


def prefix() -> str:
    """The directory that stands for `/`, without a trailing slash; empty on a real host."""
    return os.environ.get("AGENT_ROOT", "").rstrip("/")


def on_disk(path: str) -> str:
    """Where the host's `path` lies for this process."""
    return prefix() + path


def on_host(path: str) -> str:
    """The host's own name of a path of this process; the inverse of `on_disk`."""
    return path[len(prefix()) :] or "/"


def state(*names: str) -> str:
    """A path below the agent's state directory, which is made (0700) on first use."""
    home = on_disk("/var/lib/trunkline")
    if not os.path.isdir(home):
        os.makedirs(home, 0o700, exist_ok=True)
    if os.stat(home).st_mode & 0o077:
        os.chmod(home, 0o700)
    return os.path.join(home, *names)


def own_command() -> list[str]:
    """The argv by which systemd runs this very version of the agent again."""
    here = os.path.abspath(sys.argv[0])
    if here.endswith(".pyz"):
        return ["/usr/bin/python3", "-I", here]
    return [sys.executable, "-m", "deploys._agent"]
