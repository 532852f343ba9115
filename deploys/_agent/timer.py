"""The guard's timer and service, and the early-boot unit that ends what a power cut left: real, installed,
enabled units.

A transient timer is forgotten by a reboot. OnCalendar= with Persistent=true keeps the absolute deadline
over a reboot and fires at boot when it passed meanwhile; OnActiveSec= is the net under a wrong clock and
begins anew at boot. DefaultDependencies=no, because a calendar timer otherwise waits for time-sync.target
(systemd.timer(5)), which a host without network never reaches. CPUWeight=, because a host that is too
busy to let anybody in must not be too busy to return; where it cannot be given, systemd goes on without
(systemd.resource-control(5)), which it would not for Nice=.
"""

from __future__ import annotations

import math
import os
import shlex
import time

from . import clock, durable
from .entry import Entry
from .place import put, stage
from .places import UNITS, on_disk, own_command
from .problem import AgentError
from .units import systemctl

TIMER = "trunkline-guard.timer"
SERVICE = "trunkline-guard.service"
RECOVER = "trunkline-recover.service"
_STAMP = f"/var/lib/systemd/timers/stamp-{TIMER}"

_TIMER_TEXT = """\
[Unit]
Description=Deadline for the confirmation of a change (Trunkline)
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target timers.target

[Timer]
OnCalendar={calendar} UTC
OnActiveSec={seconds}s
Persistent=true
AccuracySec=100ms
Unit={service}

[Install]
WantedBy=timers.target
"""

_SERVICE_TEXT = """\
[Unit]
Description=Return of a change that nobody confirmed (Trunkline)
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
After=sysinit.target dbus.socket
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={command} guard return --due
Restart=on-failure
RestartSec=2s
TimeoutStartSec=infinity
OOMScoreAdjust=-900
CPUWeight=10000
"""

_RECOVER_TEXT = """\
[Unit]
Description=End of a change that a crash cut short (Trunkline)
DefaultDependencies=no
ConditionPathExists=|/var/lib/trunkline/journal.json
ConditionPathExists=|/var/lib/trunkline/guard/armed/guard.json
RequiresMountsFor=/var/lib/trunkline /usr/local/lib/trunkline /etc
Conflicts=shutdown.target
After=local-fs.target
Before=shutdown.target sysinit.target network-pre.target ufw.service systemd-networkd.service
Before=networking.service ssh.service ssh.socket

[Service]
Type=oneshot
ExecStart={command} recover --boot
TimeoutStartSec=60

[Install]
WantedBy=sysinit.target
"""


def start(deadline: float, seconds: float) -> None:
    """Install, enable and start the timer for a wall clock `deadline`; `seconds` from now by the monotonic
    clock too."""
    calendar = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(math.ceil(deadline)))
    _install(SERVICE, _SERVICE_TEXT.format(command=shlex.join(own_command())))
    _install(TIMER, _TIMER_TEXT.format(calendar=calendar, seconds=math.ceil(seconds), service=SERVICE))
    _forget_stamp()
    _enable(TIMER, "timers.target.wants")
    for words in (["daemon-reload"], ["restart", TIMER], ["is-active", TIMER]):
        outcome = systemctl(*words)
        if not outcome.ok:
            raise AgentError(
                f"the guard's timer could not be started ({outcome.gist}): nothing may be changed yet"
            )


def stop(running: bool = True) -> None:
    """Take the timer and its service away; `running` is false in early boot, where nothing of it has
    started."""
    durable.unlink(_wants("timers.target.wants", TIMER))
    durable.unlink(on_disk(f"{UNITS}/{TIMER}"))
    if running:
        systemctl("stop", TIMER)
    durable.unlink(on_disk(f"{UNITS}/{SERVICE}"))
    _forget_stamp()
    systemctl("daemon-reload")


def is_running() -> bool:
    """The timer is armed in systemd."""
    return systemctl("is-active", TIMER).ok


def ensure_recovery() -> None:
    """Install the early-boot unit for this version of the agent; it costs nothing while there is nothing to
    end."""
    text = _RECOVER_TEXT.format(command=shlex.join(own_command()))
    path = on_disk(f"{UNITS}/{RECOVER}")
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text and os.path.islink(_wants("sysinit.target.wants", RECOVER)):
                return
    except FileNotFoundError:
        pass
    # An upload is not on disk by itself: after a power cut the unit would run an empty file.
    if own_command()[-1].endswith(".pyz"):
        durable.sync_file(own_command()[-1])
    _install(RECOVER, text)
    _enable(RECOVER, "sysinit.target.wants")


def passed(record: dict[str, object]) -> bool:
    """The deadline has passed by the wall clock, or by the seconds counted since arming or since this
    boot."""
    seconds = float(str(record["seconds"]))
    if time.time() >= float(str(record["deadline"])) - 0.5:
        return True
    if record["boot_id"] == clock.boot_id():
        return clock.boottime() >= float(str(record["boottime"])) + seconds - 0.5
    return clock.uptime() >= seconds


def _install(name: str, text: str) -> None:
    durable.make_dir(on_disk(UNITS))
    entry = Entry(f"{UNITS}/{name}", "file", os.geteuid(), os.getegid(), 0o644)
    put(entry, stage(entry, text.encode()))


def _forget_stamp() -> None:
    if os.path.exists(on_disk(_STAMP)):
        durable.unlink(on_disk(_STAMP))


def _wants(target: str, name: str) -> str:
    return on_disk(f"{UNITS}/{target}/{name}")


def _enable(name: str, target: str) -> None:
    link = _wants(target, name)
    if os.path.islink(link):
        return
    folder = os.path.dirname(link)
    if not os.path.isdir(folder):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        durable.sync_dir(os.path.dirname(folder))
    os.symlink(f"{UNITS}/{name}", link)
    durable.sync_dir(folder)
