"""Install packages without a question and without starting a service. Arguments: names, then options.

Options: --update (refresh the lists first), --repair (finish an interrupted dpkg first).
Waits up to ten minutes for a lock somebody holds, and names the holder when it does not come free.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from typing import NoReturn

LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
PATIENCE = 600
UPDATE_SECONDS = 300
"""apt-get update waits for ever where the disk is full."""
POLICY = "/usr/sbin/policy-rc.d"
NO_ROOM = re.compile("No space left on device|enough free space in")
KILLED = re.compile(r"dpkg received (?:signal (\d+)|a segmentation fault)")
"""What apt-get says of a dpkg that did not end by itself (apt-pkg, pkgDPkgPM)."""
DISKS = ("/", "/var", "/boot")
FLOCK = "hhqqi4x"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
    "UCF_FORCE_CONFFOLD": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
}
OPTIONS = (
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    f"--option=DPkg::Lock::Timeout={PATIENCE}",
    "--option=Dpkg::Use-Pty=0",
)


def holder(path: str) -> int:
    """Return the process that holds a lock file (fcntl(2) F_GETLK), 0 for nobody."""
    try:
        with open(path, "rb") as file:
            question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, question))
    except OSError:
        return 0
    return 0 if answer[0] == fcntl.F_UNLCK else int(answer[4])


def named(process: int) -> str:
    """Return a process as a person knows it."""
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = "a process that has just ended"
    return f"{words[:120]!r} (pid {process})"


def wait_for_locks() -> None:
    """Return when nobody holds apt's or dpkg's locks; SystemExit names who still does after ten minutes."""
    end = time.monotonic() + PATIENCE
    while True:
        held = [(path, holder(path)) for path in LOCKS if holder(path)]
        if not held:
            return
        if time.monotonic() > end:
            path, process = held[0]
            end_with(
                f"{path} has been held for {PATIENCE} s by {named(process)}.",
                "Let it finish, or end it there; then deploy again.",
            )
        time.sleep(2)


def run(*argv: str, seconds: float | None = None) -> None:
    """Run a command; SystemExit with its last words when it fails, or does not end within `seconds`."""
    try:
        done = subprocess.run(
            argv,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        end_with(
            f"{argv[0]} {argv[-1]} did not end within {seconds:.0f} s; {room()}.",
            "Make room there, or look whether the host reaches its package archive; then deploy again.",
        )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-6:]
        print(f"{' '.join(argv[:2])} failed: " + " | ".join(words), file=sys.stderr)
        end_with(*why(argv, done.returncode, done.stderr + done.stdout))


def why(argv: tuple[str, ...], code: int, said: str) -> tuple[str, str]:
    """Return why a command failed, and what to do about it."""
    if NO_ROOM.search(said):
        return (
            f"The disk was full before all packages were installed: {room()}.",
            "Make room there (`apt-get clean`, `journalctl --vacuum-size=100M`, or a larger disk), then "
            "deploy again: it finishes first what dpkg left half installed.",
        )
    by = KILLED.search(said)
    if code < 0 or by:
        what = "dpkg" if by else argv[0]
        number = -code if code < 0 else int((by and by.group(1)) or signal.SIGSEGV)
        return (
            f"{what} was killed by signal {number} before all packages were installed.",
            "Find out there who did it (`journalctl -k --grep 'Out of memory'`, or a person), then deploy "
            "again: it finishes the installation first (`dpkg --configure -a`).",
        )
    return (
        f"{argv[0]} ended with {code}, and not all packages are installed.",
        "What it said stands above; mend that there (`apt-get update` and `apt-get --fix-broken install` "
        "say more), then deploy again.",
    )


def room() -> str:
    """Name the disk with the least room."""
    free = {path: shutil.disk_usage(path).free >> 20 for path in DISKS if os.path.isdir(path)}
    least = min(free, key=lambda path: free[path])
    return f"{least} has {free[least]} MB free"


def end_with(sentence: str, remedy: str) -> NoReturn:
    """End with a sentence and what to do, as the controller reads them (deploys/_connector/causes.py)."""
    sys.exit(f"{sentence}\ndo: {remedy}")


def is_ours() -> bool:
    """Say whether the policy that stands there was left by us."""
    try:
        with open(POLICY) as file:
            return "Trunkline" in file.read()
    except OSError:
        return False


def forbid_starts() -> bool:
    """Keep packages from starting services before they are configured, for as long as this process lives.

    The policy (invoke-rc.d(8)) looks for this very process: if it is killed, starts are allowed again.
    """
    if os.path.lexists(POLICY) and not is_ours():
        return False
    with open(f"/proc/{os.getpid()}/stat") as file:
        started = file.read().rpartition(")")[2].split()[19]
    alive = f"sed 's/.*) //' /proc/{os.getpid()}/stat 2>/dev/null | cut -d' ' -f20"
    script = (
        "#!/bin/sh\n# Made by Trunkline for the length of one installation.\n"
        f'[ "$({alive})" = {started} ] && exit 101\nexit 0\n'
    )
    staged = f"{POLICY}.trunkline"
    with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "w") as file:
        file.write(script)
    os.chmod(staged, 0o755)
    os.rename(staged, POLICY)
    return True


def main() -> None:
    """Repair, refresh, install."""
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    options = set(sys.argv[1:]) - set(names)
    wait_for_locks()
    forbidden = forbid_starts()
    try:
        if "--repair" in options:
            run("dpkg", "--configure", "-a", "--force-confdef", "--force-confold")
            run("apt-get", "--yes", "--fix-broken", *OPTIONS, "install")
        if "--update" in options:
            run("apt-get", "--quiet", *OPTIONS, "update", seconds=UPDATE_SECONDS)
        if names:
            run("apt-get", "--yes", "--quiet", "--no-install-recommends", *OPTIONS, "install", *names)
    finally:
        if forbidden:
            os.unlink(POLICY)


main()
