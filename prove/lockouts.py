"""Changes that lock the controller out: the host returns by itself, within the guard's limit and ten seconds.

Each row deploys a release that is broken on purpose: a copy of this tree in which one more step, between the
arming of the guard and its confirmation, does what a wrong change would do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen

from prove import hostside, release
from prove.process import Ended, ended, kill, started
from prove.release import HOST
from prove.row import Disproved, Evidence, Row, require
from prove.stage import Stage

GRACE = 10
"""Seconds after the guard's deadline within which the host lets us in again."""
DROP_IN = "/etc/ssh/sshd_config.d/00-broken.conf"
OWN = ("manifest: intend", "manifest: narrow")
"""The steps that settle what the wrong release intended; they change nothing else."""
FINE = {"max_auth_tries": 4}
"""A guarded change that is right by itself."""


@dataclass(frozen=True)
class Lockout:
    """A change that shuts the controller out."""

    name: str
    claim: str
    script: str = "true"
    """What the wrong change does on the host."""
    sysctl: tuple[tuple[str, str], ...] = ()
    """Kernel settings that the wrong inventory declares."""
    meanwhile: Callable[[Stage], None] | None = None
    """What happens while the guard is armed."""
    killed: bool = False
    """The controller is killed as soon as the guard is armed and the change is made."""
    closing: bool = False
    """It is made after the login over a new port was proven, while the old one is being closed."""

    @property
    def row(self) -> Row:
        """The lockout as a row of the table."""
        return Row("lockouts", self.name, self.claim, self._put, 420, release.PAIR)

    def _put(self, stage: Stage) -> Evidence:
        stage.healthy()
        before = hostside.files(stage, HOST)
        declared = {**stage.environment.host(HOST).sysctl.settings, **dict(self.sysctl)}
        fine = {"port": 2222} if self.closing else FINE
        changes = release.values(ssh=fine, sysctl={"settings": declared})
        script = f"{self.script}; touch /run/broken{'; sleep 600' if self.killed else ''}"
        where = ("firewall", script, "close_old_port") if self.closing else ("sysctl", script)
        broken = release.step("firewall", script) if self.sysctl else release.step(*where)
        blind = (release.unjudged(key) for key, _ in self.sysctl)
        with stage.copy((changes, broken, *blind)) as top:
            argv = ["-m", "invoke", "deploy", "--env", "lab", "--limit", HOST]
            deploy = started([sys.executable, *argv], top, stage.env(PYTHONPATH=str(top)))
            try:
                deadline = _armed(stage, deploy)
                if self.meanwhile:
                    self.meanwhile(stage)
                if self.killed:
                    kill(deploy)
                    end = Ended(tuple(argv), -9, "", "", 0)
                else:
                    end = ended(deploy, timeout=300)
            finally:
                if deploy.poll() is None:
                    kill(deploy)
        require(end.code != 0, f"a deploy that locked itself out ended with 0: {end.tail}")
        require("Traceback" not in end.output, f"a traceback reached the user: {end.tail}")
        late = _returned(stage, deadline)
        said = {"seconds_after_the_deadline": late, "said": end.tail[-400:]}
        if self.closing:  # both ports are open, as before the closing: the next deploy says which stays
            stage.deploy("--limit", HOST).expect(0)
            require(not stage.planned(), "the former release does not come to rest")
            return said
        after = hostside.files(stage, HOST)
        changed = [path for path in before.managed if after[path] != before[path]]
        require(not changed, f"the host let us in, but these are not as before: {', '.join(changed)}")
        todo = [step for step in stage.planned() if step.split(": ", 1)[1] not in OWN]
        require(not todo, f"the host let us in, but the former release would do: {', '.join(todo)}")
        return said


def _armed(stage: Stage, deploy: Popen[str]) -> float:
    """Wait until the guard is armed and the broken change is made; return the guard's deadline."""
    while stage.twin.run(HOST, "test -e /run/broken").returncode:
        if deploy.poll() is not None:
            end = ended(deploy, timeout=10)
            raise Disproved(f"the deploy ended before the broken change was made: {end.tail}")
        time.sleep(0.2)
    deadline, _ = hostside.guard(stage, HOST)
    require(deadline, "the change was made while no guard was armed")
    assert deadline
    return deadline


def _returned(stage: Stage, deadline: float) -> float:
    """Wait until the guard returned and SSH works; return how long after the deadline that was."""
    while True:
        armed, last = hostside.guard(stage, HOST)
        if armed is None and last == "returned" and stage.reached(HOST):
            return round(time.time() - deadline, 1)
        require(
            time.time() < deadline + GRACE,
            f"{GRACE} s after the deadline the host does not let us in (armed {armed}, last {last!r})",
        )
        time.sleep(1)  # asking costs the host as much as returning does


def _reboot(stage: Stage) -> None:
    stage.twin.reboot(HOST)


ALLOW_NOBODY = (
    "sed -i 's/^AllowUsers .*/AllowUsers nobody/' /etc/ssh/sshd_config.d/10-trunkline.conf;"
    " systemctl reload ssh"
)
LOCKOUTS = (
    Lockout(
        "ufw-denies-the-controller",
        "a firewall that denies the controller is returned",
        "ufw insert 1 deny from 192.0.2.10",
    ),
    Lockout(
        "sshd-on-another-port",
        "an sshd moved to a port that the firewall does not know is returned",
        f"sed -i 's/^Port .*//' /etc/ssh/sshd_config.d/*.conf; echo 'Port 2222' > {DROP_IN};"
        " systemctl restart ssh",
    ),
    Lockout("allow-users-without-us", "AllowUsers without the deploy user is returned", ALLOW_NOBODY),
    Lockout("default-route-gone", "a default route that is gone is returned", "ip route del default"),
    Lockout(
        "sysctl-drops-us",
        "a kernel setting that cuts us off is returned",
        sysctl=(("net.ipv4.ip_default_ttl", "1"),),
    ),
    Lockout(
        "closing",
        "a host that shuts us out while SSH's old port is closed is returned to both ports",
        ALLOW_NOBODY,
        closing=True,
    ),
    Lockout(
        "controller-killed",
        "a change whose controller was killed in the middle is returned",
        ALLOW_NOBODY,
        killed=True,
    ),
    Lockout(
        "reboot-in-the-window",
        "the guard also returns when the host reboots while it is armed",
        ALLOW_NOBODY,
        meanwhile=_reboot,
    ),
)
ROWS = tuple(lockout.row for lockout in LOCKOUTS)
