"""nginx as it runs: its effective configuration (`nginx -T`), and since when its workers have theirs."""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import Any

from verify.on_host.section import SURROUNDINGS, Request, modified, section, text

TICKS = os.sysconf("SC_CLK_TCK")


@section("nginx")
def nginx(request: Request) -> dict[str, Any] | None:
    """Return the whole configuration on the disk, its newest file, and each worker's start (Unix seconds)."""
    if not request.get("nginx"):
        return None
    done = subprocess.run(
        ["nginx", "-T"],
        env=SURROUNDINGS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    config = done.stdout.decode(errors="replace")
    files = re.findall(r"(?m)^# configuration file (/\S+):$", config)
    errors = [line for line in done.stderr.decode(errors="replace").splitlines() if "[emerg]" in line]
    return {
        "valid": done.returncode == 0,
        "error": (errors or [""])[0][:400],
        "config": config,
        "newest": max(((modified(path) or 0.0, path) for path in files), default=None),
        "workers": _workers(text("/run/nginx.pid").strip()),
    }


def _workers(master: str) -> list[float]:
    """Return when the workers that take new connections were started; those that shut down are left out."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        command = text(f"/proc/{pid}/cmdline").strip("\0 ")
        if len(fields) > 19 and fields[1] == master and command == "nginx: worker process":
            started.append(booted + int(fields[19]) / TICKS)
    return started
