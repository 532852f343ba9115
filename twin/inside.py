"""Doing something inside a running host, as root, without SSH: through the namespaces of its PID 1."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress

from control.errors import TrunklineError
from twin.boot import KEPT_FROM_HOSTS
from twin.result import Result
from twin.supervisor import HostState

_ENVIRONMENT = ("HOME=/root", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def argv_inside(state: HostState, *argv: str) -> list[str]:
    """Return the argv that runs a program inside the host."""
    enter = ("nsenter", f"--target={state.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
    kept = ",".join(f"-{name.removeprefix('CAP_').lower()}" for name in KEPT_FROM_HOSTS)
    return [*enter, "--", "setpriv", f"--bounding-set={kept}", "env", "-i", "-C", "/root", *_ENVIRONMENT, *argv]


def run_inside(state: HostState, script: str, feed: str | bytes | None, timeout: float) -> Result:
    """Run a shell script inside the host; TrunklineError when it does not end in `timeout` seconds."""
    process = subprocess.Popen(
        argv_inside(state, "/bin/sh", "-c", script),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        data = feed.encode() if isinstance(feed, str) else feed
        out, err = process.communicate(data or b"", timeout=timeout)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise TrunklineError(f"The command did not end within {timeout:.0f} s: {script[:80]}") from None
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def write_inside(state: HostState, path: str, data: bytes, mode: int) -> None:
    """Write a file inside the host, whole or not at all; links are followed as the host follows them."""
    target, temporary = shlex.quote(path), shlex.quote(f"{path}.twin-new")
    script = (
        f'mkdir -p "$(dirname {target})" && umask 077 && cat > {temporary} && '
        f"chmod {mode:o} {temporary} && mv -f {temporary} {target}"
    )
    done = run_inside(state, script, data, 60)
    if done.returncode:
        raise TrunklineError(f"{path} could not be written inside the host: {done.stderr.strip()}")
