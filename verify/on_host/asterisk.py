"""Asterisk as its own console tells of it, where its recordings lie, and what it writes its log to."""

from __future__ import annotations

import glob
import os
import pwd
import re
import subprocess
from typing import Any

from verify.on_host.asterisk_cli import DIALPLAN, console, dialplan
from verify.on_host.section import SURROUNDINGS, Request, said, section, text

LISTED = ("endpoints", "aors", "auths", "identifies", "registrations", "transports")
COMMANDS = (
    *(f"pjsip show {kind}" for kind in LISTED),
    *("pjsip show contacts", "core show version", "rtp show settings"),
    *("manager show settings", "manager show users", "http show status", "logger show channels"),
    *("ari show users", "ari show apps"),
)
PER_NAME = (
    ("pjsip show endpoints", r"(?m)^ Endpoint: +([\w.-]+)", "pjsip show endpoint"),
    ("pjsip show transports", r"(?m)^Transport: +([\w.-]+)", "pjsip show transport"),
    ("manager show users", r"(?m)^(?!username$)([\w.-]+)$", "manager show user"),
    ("ari show users", r"(?m)^(?:Yes|No) +(?:(?:Yes|No) +)?([\w.-]+) *$", "ari show user"),
)
"""What is asked about each name that another answer has."""


@section("asterisk")
def asterisk(request: Request) -> dict[str, Any] | None:
    """Return what each command of the console prints, and what else of telephony lies on the host.

    RuntimeError where no Asterisk answers on its socket.
    """
    asked = request.get("asterisk")
    if not asked:
        return None
    console("core waitfullybooted")
    answers = {command: console(command) for command in COMMANDS} | {DIALPLAN: dialplan()}
    more = [
        f"{command} {name}"
        for listed, pattern, command in PER_NAME
        for name in dict.fromkeys(re.findall(pattern, answers[listed]))
        if not set(name) <= set("-")
    ]
    answers |= {command: console(command) for command in more}
    told = re.search(r"(?m)^ cert_file +: (/\S+)", answers.get("pjsip show transport tls", ""))
    return {
        "said": answers,
        "recordings": {tenant: _recordings(path) for tenant, path in asked["recordings"].items()},
        "writes": _writes(asked["unit"]),
        "certificate": text(told[1]) if told else "",
    }


def _recordings(path: str) -> dict[str, Any]:
    """Return whether Asterisk may write there, what lies there, and what room there is (bytes, Unix s)."""
    if not os.path.isdir(path):
        return {"is": False}
    test = ["runuser", "-u", "asterisk", "--", "test", "-w", path, "-a", "-x", path]
    done = subprocess.run(test, env=SURROUNDINGS, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    status, room = os.stat(path), os.statvfs(path)
    kept = [entry.stat() for entry in os.scandir(path) if entry.is_file(follow_symlinks=False)]
    return {
        "is": True,
        "writable": done.returncode == 0,
        "owner": pwd.getpwuid(status.st_uid).pw_name,
        "mode": f"{status.st_mode & 0o7777:04o}",
        "files": len(kept),
        "bytes": sum(each.st_size for each in kept),
        "oldest": min((each.st_mtime for each in kept), default=None),
        "free": room.f_bavail * room.f_frsize,
    }


def _writes(unit: str) -> list[str]:
    """Return the logs that the daemon has open, by the names that they have now (proc(5))."""
    pid = said("systemctl", "show", "-P", "MainPID", unit).strip()
    found = set()
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            found.add(os.readlink(link))
        except OSError:
            continue  # closed meanwhile
    return sorted(path for path in found if path.startswith("/var/log/"))
