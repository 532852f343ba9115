"""The SSH connection a command came over, told by its sshd process: it survives sudo, which drops
SSH_CONNECTION."""

from __future__ import annotations

import os
from typing import Any

from . import clock


def current() -> dict[str, Any] | None:
    """Process and start of the nearest sshd above this one; None on a console or in a systemd unit."""
    pid = os.getppid()
    while pid > 1:
        name, parent = _process(pid)
        if name.startswith("sshd"):
            return {"pid": pid, "start": clock.process_start(pid), "boot_id": clock.boot_id()}
        pid = parent
    return None


def is_new_since(armed: dict[str, Any] | None, boottime: float, boot_id: str) -> bool:
    """This command came over a connection opened after a guard was armed, or over none at all."""
    here = current()
    if here is None or here["boot_id"] != boot_id:
        return True
    return here != armed and float(here["start"]) >= boottime


def _process(pid: int) -> tuple[str, int]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return "", 0
    name = text[text.index("(") + 1 : text.rindex(")")]
    return name, int(text.rpartition(")")[2].split()[1])
