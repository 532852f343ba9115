"""What the deadline does: every guarded service comes back, by list and per service, and the reason is
written down.

It can be cut short at any point and run again: each step looks first and changes only what differs.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from . import clock, journal, kept, lock, network, owned, sysctl, timer, ufw, units
from . import guard_record as armed
from .guard import tidy
from .mounts import clear_staging
from .problem import AgentError

_UNIT_FILES = ("/etc/systemd/", "/usr/local/lib/systemd/", "/lib/systemd/", "/usr/lib/systemd/")
_SYSCTL_FILES = ("/etc/sysctl.d/", "/etc/sysctl.conf")


class Told:
    """What a return restored and what it could not, in the order in which it happened."""

    def __init__(self) -> None:
        self.restored: list[str] = []
        self.problems: list[str] = []

    def add(self, outcome: tuple[list[str], list[str]]) -> None:
        """Take over the outcome of one step, each thing once."""
        self.restored += [what for what in outcome[0] if what not in self.restored]
        self.problems += [what for what in outcome[1] if what not in self.problems]

    def touched(self, folders: tuple[str, ...]) -> bool:
        """A file below one of these was restored."""
        return any(what.removeprefix("file ").startswith(folders) for what in self.restored)


def give_back(guard: str | None, due: bool, keep_lock: bool) -> dict[str, Any]:
    """Return the armed guard. `due` is the timer's call: it holds back where the deadline was moved
    meanwhile."""
    record = armed.read()
    if record is None or record["phase"] not in ("armed", "returning"):
        return {"outcome": "none"}
    if guard is not None and record["id"] != guard:
        raise AgentError(f"the guard {guard} is not armed on this host; {record['id']} is")
    if due and record["phase"] == "armed" and not timer.passed(record):
        timer.start(record["deadline"], max(1.0, record["deadline"] - time.time()))
        return {"id": record["id"], "outcome": "extended"}
    _announce(record, keep_lock)
    told = _restore(record)
    kept.undo_since(record["id"])
    clear_staging()
    ended = {
        **record,
        "phase": "returned",
        "ended": clock.stamp(),
        "restored": told.restored,
        "problems": told.problems,
    }
    armed.write(ended)
    tidy(ended)
    return {"id": record["id"], "outcome": "returned", "restored": told.restored, "problems": told.problems}


def give_files_back(record: dict[str, Any]) -> None:
    """The part for early boot: files only, before any daemon reads them; the service does the rest when it
    can."""
    _announce(record, keep_lock=False)
    told = Told()
    _files(record, told)
    if told.touched(_UNIT_FILES):
        units.systemctl("daemon-reload")
    if told.touched(_SYSCTL_FILES):
        units.systemctl("--no-block", "restart", "systemd-sysctl.service")
    before = list(record.get("restored", []))
    told.restored = before + [what for what in told.restored if what not in before]
    with contextlib.suppress(OSError):
        armed.write({**record, "phase": "returning", "restored": told.restored})
    units.systemctl("--no-block", "start", timer.SERVICE)


def _announce(record: dict[str, Any], keep_lock: bool) -> None:
    """Say on disk that the return began, and shut out the session that made the change. A full disk stops
    neither."""
    with contextlib.suppress(OSError):
        armed.let_go()
    with contextlib.suppress(OSError):
        armed.write({**record, "phase": "returning"})
    if not keep_lock:
        with contextlib.suppress(OSError, AgentError):
            lock.revoke(f"the guard {record['id']} returned")


def _restore(record: dict[str, Any]) -> Told:
    told = Told()
    told.restored += record.get("restored", [])
    pending = journal.pending()
    with contextlib.suppress(OSError, AgentError):
        told.restored += [f"set {service}" for service in journal.end_pending(load=False)[0]]
    services = record["services"]
    if any(service["ufw"] is False for service in services):
        told.add(ufw.switch_off())
    _files(record, told)
    if told.touched(_UNIT_FILES) or any(service["units"] for service in services):
        units.systemctl("daemon-reload")
    _runtime(record, told)
    if any(service["ufw"] is True for service in services):
        told.add(ufw.switch_on())
    for service in services:
        told.add(units.give_back(service["units"]))
    _reload(services, pending, told)
    _runtime(record, told)
    return told


def _files(record: dict[str, Any], told: Told) -> None:
    for index, service in enumerate(record["services"]):
        store = os.path.join(armed.store(), str(index))
        told.add(owned.give_back(service["files"], service["entries"], store))


def _runtime(record: dict[str, Any], told: Told) -> None:
    # In the minute after a boot links and addresses may still be on their way.
    patience = 3.0 if record["boot_id"] == clock.boot_id() else 15.0
    for service in record["services"]:
        told.add(sysctl.give_back(service["sysctls"]))
        if service["network"] is not None:
            told.add(network.give_back(service["network"], patience))


def _reload(services: list[dict[str, Any]], pending: dict[str, Any] | None, told: Told) -> None:
    commands = [argv for service in services for argv in service["reload"]]
    guarded = {service["service"] for service in services}
    if pending and pending["load"] and pending["service"] not in guarded:
        commands.append(list(pending["load"]))
    for argv in commands:
        outcome = units.reload(argv)
        what = " ".join(argv)
        told.add(([f"ran {what}"], []) if outcome.ok else ([], [f"{what} failed: {outcome.gist}"]))
