"""Tell a system's state. Argument: {"packages": [], "units": [], "sysctls": {}, "swap": path or null}."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

STATE = "/var/lib/trunkline"
FIREWALL = "/usr/local/lib/trunkline/firewall"
POLICY = "/usr/sbin/policy-rc.d"
UNIT_FACTS = "LoadState,UnitFileState,ActiveState,ConditionResult,ConditionTimestampMonotonic"


def said(*argv: str) -> str:
    """Return what a command prints, nothing when it is missing or fails."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def read(path: str) -> str:
    """Return a file's text, nothing when it cannot be read."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def packages(names: list[str]) -> dict[str, Any]:
    """Return which packages are missing, which are half installed, and the age of the package lists."""
    status: dict[str, str] = {}
    for line in said("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n").splitlines():
        name, _, state = line.partition(" ")
        status[name] = "installed" if "installed" in (state, status.get(name)) else state
    whole = ("installed", "config-files", "not-installed")
    lists = "/var/lib/apt/lists"
    stamps = [
        os.stat(os.path.join(lists, name)).st_mtime
        for name in (os.listdir(lists) if os.path.isdir(lists) else [])
        if name.endswith("Release")
    ]
    interrupted = os.path.isdir("/var/lib/dpkg/updates") and bool(os.listdir("/var/lib/dpkg/updates"))
    return {
        "missing": sorted(name for name in names if status.get(name) != "installed"),
        "broken": sorted(name for name, state in status.items() if state not in whole) or interrupted,
        "lists_age": int(time.time() - max(stamps)) if stamps else None,
        "policy_left": "Trunkline" in read(POLICY),
    }


def units(names: list[str]) -> dict[str, dict[str, str]]:
    """Return the properties of each unit by the name that was asked for."""
    if not names:
        return {}
    answer = said("systemctl", "show", "--property", UNIT_FACTS, *names)
    found = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in answer.split("\n\n")]
    return dict(zip(names, found, strict=False))


def sysctls(wanted: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the present value of each kernel setting, and whether it could be set here at all."""
    found = {}
    for key, value in wanted.items():
        path = "/proc/sys/" + key.replace(".", "/")
        live = " ".join(read(path).split()) if os.path.exists(path) else None
        same = live == value
        found[key] = {"value": live, "settable": same or settable(path)}
    return found


def settable(path: str) -> bool:
    """Try to write a setting's own value back: the only way to know that the kernel would take one."""
    try:
        with open(path, "r+") as file:
            file.write(read(path))
    except OSError:
        return False
    return True


def swap(path: str | None) -> dict[str, Any]:
    """Return the swap that is in use and the size of the declared file in bytes."""
    active = [line.split()[0] for line in read("/proc/swaps").splitlines()[1:]]
    size = os.stat(path).st_size if path and os.path.isfile(path) else None
    return {"active": active, "size": size}


def ssh_ports() -> list[int]:
    """Return the TCP ports on which SSH logins are taken now: sshd's own and its socket unit's.

    What sshd holds on loopback alone is a port that somebody forwards through a session (ssh -R).
    """
    lines = said("ss", "-Hltnp").splitlines()
    listening = [line.split()[3] for line in lines if '"sshd"' in line]
    socket = said("systemctl", "show", "--property=ActiveState,Listen", "ssh.socket")
    if "ActiveState=active" in socket:
        listening += re.findall(r"Listen=(\S+) \(Stream\)", socket)
    outside = (address for address in listening if not address.startswith(("127.", "[::1]")))
    return sorted({int(port) for address in outside if (port := address.rpartition(":")[2]).isdigit()})


def manifest() -> dict[str, Any] | None:
    """Return the manifest as the agent keeps it."""
    text = read(f"{STATE}/manifest.json")
    return json.loads(text) if text else None


def firewall() -> bool:
    """Say whether the kernel holds what UFW's files were when they were last loaded."""
    answer = said(FIREWALL, "check")
    return bool(answer) and bool(json.loads(answer)["loaded"])


def main() -> None:
    """Print everything as one object."""
    wanted = json.loads(sys.argv[1])
    print(
        json.dumps(
            {
                "packages": packages(wanted["packages"]),
                "units": units(wanted["units"]),
                "sysctls": sysctls(wanted["sysctls"]),
                "swap": swap(wanted["swap"]),
                "container": bool(said("systemd-detect-virt", "--container").strip() not in ("", "none")),
                "firewall_loaded": firewall(),
                "ssh_ports": ssh_ports(),
                "manifest": manifest(),
            }
        )
    )


main()
