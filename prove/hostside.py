"""What a host says of itself, asked by a road that needs neither SSH nor the controller."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prove.row import require
from prove.stage import Stage

LIBRARY = "/usr/local/lib/trunkline"
AGENT = f'python3 -I "$(ls -t {LIBRARY}/agent-*.pyz | head -n 1)"'
DIGESTS = """
import hashlib, json, os
def seen(path):
    if os.path.islink(path):
        return "link " + os.readlink(path)
    status = os.stat(path)
    whole = hashlib.sha256(open(path, "rb").read()).hexdigest()
    return f"{whole} {status.st_size} {status.st_mode:o} {status.st_uid}:{status.st_gid}"
files = {}
for top in ("/etc", "/root", "/home", "/usr/local"):
    for directory, _, names in os.walk(top):
        for path in (os.path.join(directory, name) for name in names):
            if os.path.islink(path) or os.path.isfile(path):
                files[path] = seen(path)
try:
    manifest = json.load(open("/var/lib/trunkline/manifest.json"))
except FileNotFoundError:
    manifest = {}
known = (manifest.get("resources") or []) + (manifest.get("intended") or [])
managed = sorted({each["name"] for each in known if each["kind"] == "file"})
print(json.dumps({"files": files, "managed": managed}))
"""
TORN = """
import hashlib, json, os, sys
for path, seen in json.load(sys.stdin).items():
    if seen == "absent" or seen.startswith("link ") or not os.path.isfile(path):
        continue
    whole, size = seen.split()[:2]
    begins = open(path, "rb").read(int(size))
    if size == "0" or hashlib.sha256(begins).hexdigest() == whole:
        print(path)
"""
LEFTOVERS = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /var/lib/trunkline/kept -o -path /tmp \) -prune -o \
  \( -name '.trunkline*' -o -name '*.trunkline-*' -o -name '*.dpkg-new' \) -print
find /var/lib/trunkline/incoming -type f -mmin +60 2>/dev/null
"""


def agent(stage: Stage, host: str, command: str) -> dict[str, Any]:
    """Return the answer of the host's agent."""
    answer: dict[str, Any] = json.loads(stage.sh(host, f"{AGENT} {command}"))
    return answer


def guard(stage: Stage, host: str) -> tuple[float | None, str]:
    """Return when the armed guard returns (Unix time; None when none is armed), and the last outcome."""
    told = stage.sh(host, f'[ "$(ls {LIBRARY} 2>/dev/null)" ] || exit 0; {AGENT} guard show')
    if not told:
        return None, ""
    shown = json.loads(told)
    armed, last = shown["armed"], shown["last"]
    deadline = datetime.fromisoformat(armed["deadline"]).timestamp() if armed else None
    return deadline, last["outcome"] if last else ""


@dataclass(frozen=True)
class Files:
    """Content, mode and owner of every file where configuration stands, and which of them are managed."""

    files: Mapping[str, str]
    managed: tuple[str, ...]

    def __getitem__(self, path: str) -> str:
        return self.files.get(path, "absent")


def files(stage: Stage, host: str) -> Files:
    """Return what stands on a host now."""
    done = stage.twin.run(host, "python3 -", input=DIGESTS, timeout=60)
    require(not done.returncode, f"{host}: its files could not be read: {done.stderr}")
    found = json.loads(done.stdout)
    return Files(found["files"], tuple(found["managed"]))


def torn(stage: Stage, host: str, seen: Mapping[str, str]) -> list[str]:
    """Return which of these files, as they once were seen, were empty or the beginning of what they are."""
    stage.twin.write(host, "/run/torn.py", TORN)
    done = stage.twin.run(host, "python3 -I /run/torn.py", input=json.dumps(seen), timeout=60)
    require(not done.returncode, f"{host}: its files could not be compared: {done.stderr}")
    return str(done.stdout).split()


def leftovers(stage: Stage, host: str) -> list[str]:
    """Return files that something began and did not end."""
    return stage.sh(host, LEFTOVERS).split()
