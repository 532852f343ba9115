"""Look at a host before anything is changed. Runs there as root, with its own python3 alone.

Prints one JSON object; control.preflight judges it. Python 3.10 and its standard library only.
"""

from __future__ import annotations

import glob
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from typing import Any

LOCKS = {
    "/var/lib/dpkg/lock-frontend": "apt",
    "/var/lib/dpkg/lock": "dpkg",
    "/var/lib/apt/lists/lock": "apt update",
    "/var/cache/apt/archives/lock": "apt download",
}
ROOM = ("/", "/var", "/boot", "/var/lib/docker")


def output(*argv: str) -> str:
    """Return what a command prints; nothing where it is missing or fails."""
    try:
        ran = subprocess.run(
            argv, capture_output=True, text=True, timeout=30, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""


def os_release() -> dict[str, str]:
    """Return os-release(5) as a mapping."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def memory_mb() -> int:
    """Return MemTotal of proc_meminfo(5) in MiB."""
    with open("/proc/meminfo") as file:
        return int(re.findall(r"MemTotal:\s+(\d+) kB", file.read())[0]) // 1024


def lock_holders() -> list[dict[str, Any]]:
    """Name who holds a package lock: a process with a lock in proc_locks(5) and the lock file open."""
    with open("/proc/locks") as file:
        pids = {int(line.replace("->", "").split()[4]) for line in file}
    held = [(what, pid) for pid in sorted(pids) for path, what in LOCKS.items() if path in opened_by(pid)]
    return [{"what": what, "pid": pid, "command": command_of(pid)} for what, pid in held]


def opened_by(pid: int) -> set[str]:
    """Return the files that a process has open; none where it cannot be seen."""
    found = set()
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            found.add(os.readlink(link))
        except OSError:
            continue
    return found


def command_of(pid: int) -> str:
    """Return the name of a process, or nothing where it cannot be seen."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def cloud_init() -> bool:
    """Say whether cloud-init is at work: its result file of this boot is not there yet."""
    if not shutil.which("cloud-init") or os.path.exists("/etc/cloud/cloud-init.disabled"):
        return False
    return os.path.exists("/run/cloud-init/enabled") and not os.path.exists("/run/cloud-init/result.json")


def listeners() -> list[dict[str, Any]]:
    """Return what listens, by ss(8): protocol, port, address, process names."""
    found = []
    for line in output("ss", "-H", "-l", "-n", "-t", "-u", "-p").splitlines():
        fields = line.split()
        address, _, port = fields[4].rpartition(":")
        names = sorted(set(re.findall(r'\("([^"]+)",pid=', line)))
        found.append({"protocol": fields[0], "address": address, "port": int(port), "processes": names})
    return found


def foreign_rules() -> int:
    """Count the packet filter rules that stand here, whoever wrote them."""
    rules = [line for tool in ("iptables-save", "ip6tables-save") for line in output(tool).splitlines()]
    appended = [line for line in rules if line.startswith("-A")]
    if appended:
        return len(appended)
    lines = [line.strip() for line in output("nft", "-a", "list", "ruleset").splitlines()]
    return len(
        [line for line in lines if "# handle" in line and not line.startswith(("table", "chain", "set"))]
    )


def authorized_keys() -> list[dict[str, str]]:
    """Return every key that may log in: account and "type base64", without options and comment."""
    found: list[dict[str, str]] = []
    homes = {"root": "/root"}
    homes.update({os.path.basename(path): path for path in glob.glob("/home/*")})
    for account, home in sorted(homes.items()):
        for name in ("authorized_keys", "authorized_keys2"):
            try:
                with open(os.path.join(home, ".ssh", name), errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            found.extend({"account": account, "key": key} for key in keys_in(text))
    return found


def keys_in(text: str) -> list[str]:
    """Return the keys of an authorized_keys file (sshd(8))."""
    pattern = r"(?:^|\s)((?:ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ AAAA\S+)"
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [found.group(1) for found in (re.search(pattern, line) for line in lines) if found]


def free_mb(path: str) -> int:
    """Return the free space below a path in MiB."""
    return shutil.disk_usage(path).free // (1024 * 1024)


def addresses(name: str) -> list[str]:
    """Return what a name in DNS leads to, as this host sees it; nothing where it leads nowhere."""
    try:
        found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def esp() -> bool:
    """Say whether the kernel does ESP: it takes a state in a network that goes with the command."""
    keys = f"enc cbc(aes) 0x{'00' * 32} auth-trunc hmac(sha256) 0x{'00' * 32} 128"
    state = f"ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode tunnel {keys}"
    try:
        return (
            subprocess.run(("unshare", "--net", *state.split()), capture_output=True, timeout=30).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> None:
    """Print everything that was seen. Argument: the names to look up, as JSON."""
    release = os_release()
    names = json.loads(sys.argv[1]) if len(sys.argv) > 1 else []
    print(
        json.dumps(
            {
                "os": [release.get("ID", ""), release.get("VERSION_ID", "")],
                "python": platform.python_version(),
                "memory_mb": memory_mb(),
                "free_mb": {path: free_mb(path) for path in ROOM if os.path.isdir(path)},
                "free_inodes": os.statvfs("/var").f_favail if os.statvfs("/var").f_files else None,
                "locks": lock_holders(),
                "cloud_init": cloud_init(),
                "listeners": listeners(),
                "rules": foreign_rules(),
                "keys": authorized_keys(),
                "names": {name: addresses(name) for name in names},
                "interrupted": bool(os.listdir("/var/lib/dpkg/updates")) or bool(output("dpkg", "--audit")),
                "manifest": os.path.exists("/var/lib/trunkline/manifest.json"),
                "esp": esp(),
                "systemd": os.path.isdir("/run/systemd/system"),
                "now": time.time(),
            }
        )
    )


if __name__ == "__main__":
    main()
