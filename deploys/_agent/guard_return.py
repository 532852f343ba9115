"""What the deadline does: every guarded service comes back, by list and per service, and the reason is
written down.

It can be cut short at any point and run again: each step looks first and changes only what differs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from . import clock, journal, kept, lock, network, owned, sysctl, timer, ufw, units
from . import guard_record as armed
from .guard import tidy
from .mounts import clear_staging
from .problem import AgentError

Outcome = tuple[list[str], list[str]]
_UNIT_FILES = ("/etc/systemd/", "/usr/local/lib/systemd/", "/lib/systemd/", "/usr/lib/systemd/")
_SYSCTL_FILES = ("/etc/sysctl.d/", "/etc/sysctl.conf")


class Told:
    """What a return restored and what it could not, in the order in which it happened."""

    def __init__(self) -> None:
        self.restored: list[str] = []
        self.problems: list[str] = []

    def step(self, what: str, action: Callable[[], Outcome]) -> None:
        """Take one step and its outcome over, each thing once; whatever befalls it, the next one follows."""
        try:
            restored, problems = action()
        except Exception as error:
            restored = []
            problems = [f"{what}: {type(error).__name__}: {error}"]
        self.restored += [thing for thing in restored if thing not in self.restored]
        self.problems += [thing for thing in problems if thing not in self.problems]

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
    with contextlib.suppress(OSError, AgentError):
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
    services = record["services"]
    pending: list[dict[str, Any]] = []
    told.step("the journal", lambda: _end_set(pending))
    if any(service["ufw"] is False for service in services):
        told.step("ufw", ufw.switch_off)
    _files(record, told)
    if told.touched(_UNIT_FILES) or any(service["units"] for service in services):
        units.systemctl("daemon-reload")
    _runtime(record, told)
    if any(service["ufw"] is True for service in services):
        told.step("ufw", ufw.switch_on)
    for service in services:
        told.step("units", partial(units.give_back, service["units"]))
    for argv in _reloads(services, pending):
        told.step(" ".join(argv), partial(_reload, argv))
    _runtime(record, told)
    told.step("kept generations", partial(_undo, record["id"]))
    return told


def _end_set(pending: list[dict[str, Any]]) -> Outcome:
    record = journal.pending()
    if record is not None:
        pending.append(record)
    return [f"set {service}" for service in journal.end_pending(load=False)[0]], []


def _undo(guard: str) -> Outcome:
    kept.undo_since(guard)
    return [], []


def _files(record: dict[str, Any], told: Told) -> None:
    for index, service in enumerate(record["services"]):
        store = os.path.join(armed.store(), str(index))
        told.step(
            f"files of {service['service']}",
            partial(owned.give_back, service["files"], service["entries"], store),
        )


def _runtime(record: dict[str, Any], told: Told) -> None:
    # In the minute after a boot links and addresses may still be on their way.
    patience = 3.0 if record["boot_id"] == clock.boot_id() else 15.0
    for service in record["services"]:
        told.step("settings", partial(sysctl.give_back, service["sysctls"]))
        if service["network"] is not None:
            told.step("network", partial(network.give_back, service["network"], patience))


def _reloads(services: list[dict[str, Any]], pending: list[dict[str, Any]]) -> list[list[str]]:
    commands = [list(argv) for service in services for argv in service["reload"]]
    guarded = {service["service"] for service in services}
    return commands + [
        list(record["load"]) for record in pending if record["load"] and record["service"] not in guarded
    ]


def _reload(argv: list[str]) -> Outcome:
    outcome = units.reload(argv)
    what = " ".join(argv)
    return ([f"ran {what}"], []) if outcome.ok else ([], [f"{what} failed: {outcome.gist}"])
