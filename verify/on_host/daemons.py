"""Units and processes: what runs, since when, from which file; and what fail2ban itself answers."""

from __future__ import annotations

import glob
import io
import os
import pickle
import re
import socket
import time
from typing import Any

from verify.on_host.section import Request, modified, said, section, text

PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,MainPID,StateChangeTimestampMonotonic"
FAIL2BAN = "/run/fail2ban/fail2ban.sock"
END = b"<F2B_END_COMMAND>"


@section("units")
def units(request: Request) -> dict[str, dict[str, Any]]:
    """Return the asked units: states, when they last changed (Unix seconds), the newest config file."""
    watched: dict[str, list[str]] = request["units"]
    since_boot = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    found = {}
    for block in said("systemctl", "show", "-p", PROPERTIES, *watched).strip().split("\n\n"):
        unit: dict[str, Any] = dict(line.partition("=")[::2] for line in block.splitlines())
        changed = int(unit.pop("StateChangeTimestampMonotonic", 0) or 0) / 1e6
        unit["changed"] = since_boot + changed if changed else None
        found[unit["Id"]] = unit
    for name, patterns in watched.items():
        files = [path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)]
        newest = max(((modified(path) or 0.0, path) for path in files), default=None)
        found.setdefault(name, {"Id": name, "LoadState": "not-found"})["newest"] = newest
    return found


@section("failed_units")
def failed_units(request: Request) -> list[str]:
    """Return the units that systemd counts as failed."""
    lines = said("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--all").splitlines()
    return [line.split()[0] for line in lines if line.split()]


@section("replaced")
def replaced(request: Request) -> list[dict[str, str]]:
    """Return the processes whose program file was replaced or deleted after they started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue  # a kernel thread, or it has ended
        if program.endswith(" (deleted)") and not program.startswith(("/memfd:", "/dev/", "/tmp/")):
            unit = re.search(r"([^/]+\.(?:service|scope))", text(f"/proc/{pid}/cgroup"))
            found.append(
                {"program": program.removesuffix(" (deleted)"), "unit": unit.group(1) if unit else ""}
            )
    return found


class _Plain(pickle.Unpickler):
    """Reads plain values only; an object becomes the text of its arguments."""

    def find_class(self, module: str, name: str) -> Any:
        return _Text


class _Text(str):
    def __new__(cls, *arguments: Any) -> _Text:
        return super().__new__(cls, " ".join(map(str, arguments)))

    def __setstate__(self, state: Any) -> None:
        """Objects may bring state; the text is enough."""


def ask_fail2ban(*words: str) -> Any:
    """Ask the server over its socket, without fail2ban-client's start of a tenth of a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect(FAIL2BAN)
        sock.sendall(pickle.dumps(list(words), 2) + END)
        data = b""
        while not data.endswith(END):
            part = sock.recv(65536)
            if not part:
                raise RuntimeError("fail2ban ended the conversation")
            data += part
    code, value = _Plain(io.BytesIO(data.removesuffix(END))).load()
    if code:
        raise RuntimeError(f"fail2ban refused {' '.join(words)}: {value}")
    return value


@section("fail2ban")
def fail2ban(request: Request) -> dict[str, Any]:
    """Return each jail as the running server has it."""
    status = dict(ask_fail2ban("status"))
    names = [name.strip() for name in str(status["Jail list"]).split(",") if name.strip()]
    return {name: _jail(name) for name in names}


def _jail(name: str) -> dict[str, Any]:
    asked = ("maxretry", "findtime", "bantime", "ignoreip", "banip", "actions", "failregex")
    jail = {key: _listed(ask_fail2ban("get", name, key)) for key in asked}
    for key in ("journalmatch", "logpath"):
        try:
            jail[key] = _listed(ask_fail2ban("get", name, key))
        except RuntimeError:
            jail[key] = []  # this backend has no such thing
    jail["missing_logs"] = [path for path in jail["logpath"] if not os.path.exists(path)]
    jail["hits"] = [[_of(name, action, key) for key in ("protocol", "port")] for action in jail["actions"]]
    jail["actionban"] = {
        action: str(ask_fail2ban("get", name, "action", action, "actionban")) for action in jail["actions"]
    }
    return jail


def _of(jail: str, action: str, key: str) -> str:
    """Return a property of a running action, nothing where it has no such property (one that mails)."""
    try:
        return str(ask_fail2ban("get", jail, "action", action, key))
    except RuntimeError:
        return ""


def _listed(value: Any) -> Any:
    if isinstance(value, list | tuple | set):
        return [_listed(item) for item in value]
    return value if isinstance(value, int | float) or value is None else str(value)


@section("journal")
def journal(request: Request) -> dict[str, Any]:
    """Return journald's settings in order, what it said of its limits since its start, where it writes."""
    usage = said(
        "journalctl", "--no-pager", "-q", "-o", "json", "-n", "8", "-b",
        "MESSAGE_ID=ec387f577b844b8fa948f33cad9a75e6", "_PID=" + said(
            "systemctl", "show", "-P", "MainPID", "systemd-journald.service").strip(),
    )  # fmt: skip
    return {
        "config": said("systemd-analyze", "cat-config", "systemd/journald.conf"),
        "usage": usage.splitlines(),
        "persistent": bool(glob.glob("/var/log/journal/*/system.journal")),
    }
