"""Doing something inside a running host, as root, without SSH: through the namespaces of its PID 1."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress

from control.errors import TrunklineError
from twin.boot import KEPT_FROM_HOSTS
from twin.cgroup import Cgroup
from twin.result import Result
from twin.supervisor import HostState

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = ("HOME=/root", "LANG=C.UTF-8", _PATH)


def argv_inside(host: Cgroup, state: HostState, *argv: str) -> list[str]:
    """Return the argv that runs a program inside the host, and that ends with the host.

    It may not do to the machine what the host may not; but mind that no filter keeps it from swapon(2).
    """
    group = Cgroup(f"{host.path}/payload/entered")
    group.create()
    namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
    kept = ",".join(f"-{name.removeprefix('CAP_').lower()}" for name in KEPT_FROM_HOSTS)
    limits = ("setpriv", f"--bounding-set={kept}", "env", "-i", "-C", "/root", *_ENVIRONMENT)
    return [*group.prefix(), "nsenter", f"--target={state.leader}", *namespaces, "--", *limits, *argv]


def run_inside(argv: list[str], feed: str | bytes | None, timeout: float) -> Result:
    """Run what `argv_inside` returned; TrunklineError when it does not end in `timeout` seconds."""
    process = subprocess.Popen(
        argv,
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
        raise TrunklineError(f"The command did not end within {timeout:.0f} s: {argv[-1][:80]}") from None
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def writing(path: str, mode: int) -> str:
    """Return the script that writes its stdin to a file, whole or not at all, as the host sees the path."""
    target, temporary = shlex.quote(path), shlex.quote(f"{path}.twin-new")
    return (
        f'mkdir -p "$(dirname {target})" && umask 077 && cat > {temporary} && '
        f"chmod {mode:o} {temporary} && mv -f {temporary} {target}"
    )
