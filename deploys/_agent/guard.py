"""The guard (commit-confirm): what a risky change may touch is remembered, and comes back unless somebody
confirms in time."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from . import clock, connection, durable, network, owned, sysctl, timer, ufw, units
from . import guard_record as armed
from .problem import AgentError

_LONGEST = 3600.0


def arm(seconds: float, wanted: Any, only: list[str]) -> dict[str, Any]:
    """Remember the services and start the deadline; AgentError where a guard stands already, and nothing is
    armed then."""
    services = _services(wanted, only)
    if not 5 <= seconds <= _LONGEST:
        raise AgentError(f"a guard runs for 5 to {_LONGEST:.0f} seconds, not {seconds:g}")
    _refuse_second()
    durable.make_dir(armed.store())
    record = _identity()
    try:
        record["services"] = [_remember(service, str(index)) for index, service in enumerate(services)]
        armed.reserve()
        record |= _deadline(seconds)
        armed.write(record)
        timer.ensure_recovery()
        timer.start(record["deadline"], seconds)
        armed.write({**record, "phase": "armed"})
    except BaseException:
        with contextlib.suppress(OSError):
            timer.stop()
        armed.drop()
        raise
    return {**_public(record), "files": sum(len(service["entries"]) for service in record["services"])}


def confirm(guard: str, settled: str | None = None) -> dict[str, Any]:
    """The change stays. AgentError when it was returned meanwhile, or from the connection that armed the
    guard.

    `settled` is the moment, `<boot id>@<CLOCK_BOOTTIME>`, since which sshd holds what stands on the disk: a
    connection from before it, or from another boot, proves nothing.
    """
    record = armed.read()
    if record is None or record["id"] != guard:
        return _confirmed_before(guard, record)
    if record["phase"] != "armed":
        raise AgentError(f"the guard {guard} is {record['phase']} already: the change does not stay")
    if not connection.is_new_since(
        record["connection"], float(record["armed_at"]), str(record["armed_boot"])
    ):
        raise AgentError("only a new SSH connection confirms: this one was open before the guard was armed")
    if settled:
        _refuse_unsettled(settled)
    armed.let_go()
    record = {**record, "phase": "confirmed", "ended": clock.stamp()}
    armed.write(record)
    tidy(record)
    return {"id": guard, "outcome": "confirmed"}


def extend(guard: str, seconds: float) -> dict[str, Any]:
    """Move the deadline to `seconds` from now."""
    record = armed.read()
    if record is None or record["id"] != guard or record["phase"] != "armed":
        raise AgentError(f"the guard {guard} is not armed: there is no deadline to move")
    if not 5 <= seconds <= _LONGEST:
        raise AgentError(f"a guard runs for 5 to {_LONGEST:.0f} seconds, not {seconds:g}")
    moved = {**record, **_deadline(seconds)}
    armed.write(moved)
    timer.start(moved["deadline"], seconds)
    return _public(moved)


def show() -> dict[str, Any]:
    """The armed guard and how the last one ended."""
    record = armed.read()
    live = None
    if record and record["phase"] in ("armed", "returning"):
        remaining = round(max(0.0, float(record["deadline"]) - time.time()), 1)
        live = {**_public(record), "remaining": remaining, "phase": record["phase"]}
    return {"armed": live, "last": armed.last()}


def tidy(record: dict[str, Any], running: bool = True) -> None:
    """The outcome is on disk: write the report, take the timer away, put the copies aside."""
    timer.stop(running)
    armed.close(record)


def _identity() -> dict[str, Any]:
    return {
        "id": time.strftime("g-%Y%m%dT%H%M%SZ-", time.gmtime()) + os.urandom(2).hex(),
        "phase": "arming",
        "armed_at": clock.boottime(),
        "armed_boot": clock.boot_id(),
        "connection": connection.current(),
    }


def _deadline(seconds: float) -> dict[str, Any]:
    deadline = time.time() + seconds
    return {
        "deadline": deadline,
        "seconds": seconds,
        "boottime": clock.boottime(),
        "boot_id": clock.boot_id(),
    }


def _remember(service: dict[str, Any], number: str) -> dict[str, Any]:
    patterns = list(service.get("files") or [])
    store = os.path.join(armed.store(), number)
    durable.make_dir(store)
    return {
        "service": service["service"],
        "files": patterns,
        "entries": [entry.record() for entry in owned.remember(patterns, store)],
        "sysctls": sysctl.remember(list(service.get("sysctls") or [])),
        "network": network.remember() if service.get("routes") else None,
        "ufw": ufw.remember() if ufw.concerns(patterns) else None,
        "units": units.remember(list(service.get("units") or [])),
        "reload": [list(argv) for argv in service.get("reload") or []],
    }


def _services(wanted: Any, only: list[str]) -> list[dict[str, Any]]:
    services = wanted.get("services") if isinstance(wanted, dict) else None
    if not services or not all(isinstance(item, dict) and item.get("service") for item in services):
        raise AgentError('a guard needs {"services":[{"service":...}]} on stdin')
    names = [item["service"] for item in services]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise AgentError(f"--services names {', '.join(unknown)}, but stdin describes {', '.join(names)}")
    return [item for item in services if not only or item["service"] in only]


def _refuse_second() -> None:
    record = armed.read()
    if record is not None and record["phase"] in ("armed", "returning"):
        raise AgentError(
            f"the guard {record['id']} is {record['phase']} until {clock.stamp(record['deadline'])}: "
            "confirm it or let it return first",
            armed=_public(record),
        )


def _refuse_unsettled(settled: str) -> None:
    boot_id, _, boottime = settled.partition("@")
    if boot_id != clock.boot_id():
        raise AgentError(
            "the host has rebooted since sshd took on what stands on the disk: log in and ask again"
        )
    if not connection.is_new_since(None, float(boottime), boot_id):
        raise AgentError("only a login that is newer than sshd's present configuration confirms")


def _confirmed_before(guard: str, record: dict[str, Any] | None) -> dict[str, Any]:
    before = armed.last()
    if before and before["id"] == guard and before["outcome"] == "confirmed":
        return {"id": guard, "outcome": "confirmed"}
    if before and before["id"] == guard:
        count = len(before["restored"])
        raise AgentError(
            f"the guard {guard} returned at {before['when']} and restored {count} things", last=before
        )
    other = f"; {record['id']} is" if record else ""
    raise AgentError(f"the guard {guard} is not armed on this host{other}")


def _public(record: dict[str, Any]) -> dict[str, Any]:
    services = [service["service"] for service in record.get("services", [])]
    deadline = clock.stamp(float(record["deadline"]))
    return {"id": record["id"], "deadline": deadline, "seconds": record["seconds"], "services": services}
