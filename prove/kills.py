"""What breaks off in the middle: the next deploy converges, the lock frees itself, no file is torn."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from subprocess import Popen, TimeoutExpired

from prove import hostside, release
from prove.errors import judged
from prove.process import ended, kill, started
from prove.release import HOST
from prove.row import Disproved, Evidence, Row, require
from prove.stage import Stage
from prove.tree import Edit

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
TRIES = 3
"""How often a deploy may be over before its moment: on a busy machine it took longer when it was measured."""
Breaks = Callable[[Stage, Popen[str], float], Evidence]
"""Breaks off a deploy that runs; the number is the seconds that one like it takes."""


@dataclass(frozen=True)
class Broken:
    """A deploy that breaks off, and what must come after."""

    name: str
    claim: str
    breaks: Breaks
    first: bool = True
    """The first deploy of fresh hosts; else a change of healthy ones."""
    mends: Callable[[Stage], None] = lambda stage: None

    @property
    def row(self) -> Row:
        """The break as a row of the table."""
        return Row("kills", self.name, self.claim, self._put, 480, release.PAIR)

    def _put(self, stage: Stage) -> Evidence:
        return tried(lambda seconds: self._attempt(stage, seconds), stage.seconds_of(*self._measure(stage)))

    def _measure(self, stage: Stage) -> tuple[str, Callable[[], float]]:
        """Return under which name the seconds of such a deploy are kept, and how they are measured."""

        def measured() -> float:
            self._begin(stage)
            with stage.copy(self.edits) as top:
                return stage.deploy(top=top).expect(0).seconds

        return "first" if self.first else "change", measured

    def _begin(self, stage: Stage) -> None:
        stage.fresh() if self.first else stage.healthy()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What the tree of this deploy has otherwise."""
        return FIRST if self.first else CHANGE

    def _attempt(self, stage: Stage, seconds: float) -> Evidence:
        self._begin(stage)
        with ExitStack() as stack:
            top = stack.enter_context(stage.copy(self.edits))
            before = {host: hostside.files(stage, host) for host in stage.hosts}
            deploy = _deploy(stage, top)
            try:
                evidence = self.breaks(stage, deploy, seconds)
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


class Missed(Disproved):
    """Nothing was killed: the deploy was over before its moment came. `seconds` is what it took."""

    def __init__(self, moment: float, seconds: float) -> None:
        super().__init__(f"nothing was killed: its moment was {moment:.1f} s, the deploy took {seconds} s")
        self.seconds = seconds


def tried(attempt: Callable[[float], Evidence], seconds: float) -> Evidence:
    """Return what came of an attempt; after one that missed it is tried again, by the time that one took."""
    for _ in range(TRIES - 1):
        try:
            return attempt(seconds)
        except Missed as missed:
            seconds = missed.seconds
    return attempt(seconds)


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


def killed_at(fraction: float, alone: bool) -> Breaks:
    """Return the break in which the controller dies after this share of a deploy, with its engine or not."""

    def breaks(stage: Stage, deploy: Popen[str], seconds: float) -> Evidence:
        moment, since = fraction * seconds, time.monotonic()
        with suppress(TimeoutExpired):
            deploy.wait(timeout=moment)
        said = kill(deploy, alone=alone) if deploy.poll() is None else ""
        if deploy.returncode != -SIGKILL:
            took = round(time.monotonic() - since, 1)
            require(deploy.returncode == 0, f"it ended by itself with {deploy.returncode}, after {took} s")
            raise Missed(moment, took)
        last = [line.strip() for line in said.splitlines() if line.strip()][-1:]
        return {
            "killed_after": round(moment, 2),
            "of_seconds": seconds,
            "said_last": "".join(last)[:200],
            "engine_killed_too": not alone,
        }

    return breaks


def _network_cut(stage: Stage, deploy: Popen[str], seconds: float) -> Evidence:
    time.sleep(0.4 * seconds)
    stage.twin.cut(HOST)
    since = time.monotonic()
    end = ended(deploy, timeout=120)
    noticed = round(time.monotonic() - since, 1)
    return {**judged(end, HOST, "lease ends by itself"), "noticed_after": noticed}


INSTALLS = "pgrep -f '^/usr/bin/dpkg .*--(unpack|configure)' > /dev/null && dpkg --audit | grep -q ."
"""Packages are being installed, and some are half-way: before that apt-get asks dpkg but for its settings."""
FILL = """
n=$(df --output=avail -k / | tail -n 1); fallocate -l $((n - 65536))K /var/fill
dd if=/dev/zero of=/var/fill.rest bs=64K 2>/dev/null || true
"""


def _disk_filled(stage: Stage, deploy: Popen[str], seconds: float) -> Evidence:
    _await(stage, INSTALLS, deploy)
    stage.sh(HOST, FILL)
    return judged(ended(deploy, timeout=240), HOST, "disk was full", "make room", "apt-get clean")


def _disk_emptied(stage: Stage) -> None:
    stage.sh(HOST, "rm -f /var/fill /var/fill.rest")


def _dpkg_killed(stage: Stage, deploy: Popen[str], seconds: float) -> Evidence:
    _await(stage, INSTALLS, deploy)
    stage.sh(HOST, "kill -9 $(pgrep -x 'dpkg|apt-get')")
    evidence = judged(ended(deploy, timeout=240), HOST, "killed by signal 9", "dpkg --configure -a")
    left = stage.sh(HOST, "dpkg --audit").splitlines()
    require(left, "dpkg was not interrupted: it left nothing to be finished")
    return {**evidence, "dpkg_left": len(left)}


def _rebooted(stage: Stage, deploy: Popen[str], seconds: float) -> Evidence:
    _await(stage, INSTALLS, deploy)
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
        killed_at(fraction, alone=number % 3 == 2),
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
