"""What breaks off in the middle: the next deploy converges, the lock frees itself, no file is torn."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from prove import hostside, release
from prove.errors import judged
from prove.process import ended, kill, started
from prove.release import HOST
from prove.row import Disproved, Evidence, Row, require
from prove.stage import Stage

MOMENTS = 30
LEASE = 10
"""Seconds of the lock's lease here."""
FIRST = (release.lease(LEASE),)
CHANGE = (
    *FIRST,
    release.values(ssh={"max_auth_tries": 4}, journal={"max_use_mb": 300}, updates={"reboot_at": "05:30"}),
)
"""A change of several services of one host."""
MOMENT = random.Random(2)
FRACTIONS = tuple(round((number + MOMENT.random()) / MOMENTS, 3) for number in range(MOMENTS))
"""When each controller dies, as a share of a whole deploy: random, but spread over all of it."""


@dataclass(frozen=True)
class Broken:
    """A deploy that breaks off, and what must come after."""

    name: str
    claim: str
    breaks: Callable[[Stage, Popen[str]], Evidence]
    first: bool = True
    """The first deploy of fresh hosts; else a change of healthy ones."""
    mends: Callable[[Stage], None] = lambda stage: None

    @property
    def row(self) -> Row:
        """The break as a row of the table."""
        return Row("kills", self.name, self.claim, self._put, 480, release.PAIR)

    def _put(self, stage: Stage) -> Evidence:
        stage.seconds_of_a_deploy(first=self.first)
        stage.fresh() if self.first else stage.healthy()
        with ExitStack() as stack:
            top = stack.enter_context(stage.copy(FIRST if self.first else CHANGE))
            before = {host: hostside.files(stage, host) for host in stage.hosts}
            deploy = _deploy(stage, top)
            try:
                evidence = self.breaks(stage, deploy)
            finally:
                if deploy.poll() is None:
                    kill(deploy)
                stage.twin.mend(HOST)
            middle = {host: hostside.files(stage, host) for host in stage.hosts}
            self.mends(stage)
            again = stage.deploy("--wait", str(LEASE + 20), top=top)
            again.expect(0)
            _whole(stage, before, middle, first=self.first)
            todo = stage.planned(top)
            require(not todo, f"the next deploy did not converge, it would still do: {', '.join(todo)}")
        return {**evidence, "next_deploy_seconds": again.seconds}


def _deploy(stage: Stage, top: Path) -> Popen[str]:
    argv = [sys.executable, "-m", "invoke", "deploy", "--env", "lab"]
    return started(argv, top, stage.env(PYTHONPATH=str(top)))


def _whole(
    stage: Stage, before: dict[str, hostside.Files], middle: dict[str, hostside.Files], *, first: bool
) -> None:
    """When the deploy broke off no managed file was half of what it is now; nothing else is left.

    What is neither as before nor as now is what a package brought meanwhile; a change brings no package.
    """
    for host in stage.hosts:
        now = hostside.files(stage, host)
        odd = {
            path: middle[host][path]
            for path in now.managed
            if middle[host][path] not in (before[host][path], now[path])
        }
        torn = hostside.torn(stage, host, odd) if first else list(odd)
        require(not torn, f"{host}: half-written when it broke off: {', '.join(torn)}")
        left = hostside.leftovers(stage, host)
        require(not left, f"{host}: left over: {', '.join(left)}")


def _killed_at(fraction: float, first: bool, alone: bool) -> Callable[[Stage, Popen[str]], Evidence]:
    def breaks(stage: Stage, deploy: Popen[str]) -> Evidence:
        moment = fraction * stage.seconds_of_a_deploy(first=first)
        time.sleep(moment)
        done = deploy.poll() is not None
        kill(deploy, alone=alone)
        return {"killed_after": round(moment, 2), "was_done": done, "engine_killed_too": not alone}

    return breaks


def _network_cut(stage: Stage, deploy: Popen[str]) -> Evidence:
    time.sleep(0.4 * stage.seconds_of_a_deploy(first=True))
    stage.twin.cut(HOST)
    since = time.monotonic()
    end = ended(deploy, timeout=120)
    seconds = round(time.monotonic() - since, 1)
    return {**judged(end, HOST, "lease ends by itself"), "noticed_after": seconds}


FILL = """
n=$(df --output=avail -k / | tail -n 1); fallocate -l $((n - 65536))K /var/fill
dd if=/dev/zero of=/var/fill.rest bs=64K 2>/dev/null || true
"""


def _disk_filled(stage: Stage, deploy: Popen[str]) -> Evidence:
    _await(stage, "pgrep -x dpkg", deploy)
    stage.sh(HOST, FILL)
    return judged(ended(deploy, timeout=240), HOST)


def _disk_emptied(stage: Stage) -> None:
    stage.sh(HOST, "rm -f /var/fill /var/fill.rest")


def _dpkg_killed(stage: Stage, deploy: Popen[str]) -> Evidence:
    _await(stage, "pgrep -x dpkg", deploy)
    stage.sh(HOST, "kill -9 $(pgrep -x 'dpkg|apt-get')")
    return judged(ended(deploy, timeout=240), HOST)


def _rebooted(stage: Stage, deploy: Popen[str]) -> Evidence:
    _await(stage, "pgrep -x dpkg", deploy)
    stage.twin.reboot(HOST)
    return judged(ended(deploy, timeout=240), HOST)


def _await(stage: Stage, script: str, deploy: Popen[str]) -> None:
    while stage.twin.run(HOST, script).returncode:
        if deploy.poll() is not None:
            raise Disproved(f"the deploy ended before `{script}` was ever true")
        time.sleep(0.05)


def _controller(number: int, fraction: float) -> Broken:
    first = number % 2 == 0
    what = "the first deploy" if first else "a change"
    return Broken(
        f"controller-{number + 1:02}",
        f"a controller killed after {fraction:.0%} of {what} does no harm",
        _killed_at(fraction, first, alone=number % 3 == 2),
        first,
    )


BREAKS = (
    Broken("network-cut", "a network that is cut in the middle is an error soon, no harm done", _network_cut),
    Broken(
        "disk-filled",
        "a disk that fills up in the middle is an error, and does no harm",
        _disk_filled,
        mends=_disk_emptied,
    ),
    Broken("dpkg-killed", "an interrupted dpkg is finished by the next deploy", _dpkg_killed),
    Broken("host-rebooted", "a host that reboots while packages are installed does no harm", _rebooted),
    *(_controller(number, fraction) for number, fraction in enumerate(FRACTIONS)),
)
ROWS = tuple(each.row for each in BREAKS)
