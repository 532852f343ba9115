"""Deploys for the tests of the guard's confirmation: a change of sshd under a guard, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra.api.command import StringCommand

from deploys import ssh
from deploys._engine.report import changed
from deploys._ops import guard, live
from deploys._ops.files import agent, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.operation import operation
from inventories.model import Environment, Host

DROP_IN = "/etc/ssh/sshd_config.d/00-test.conf"
ANOTHERS = f"""{agent("guard", "return", "--token", "$(cat /var/lib/trunkline/token)")}
echo '{{"services": [{{"service": "other", "files": ["/etc/other"]}}]}}' |
{agent("guard", "arm", "--seconds", "60")}
"""
"""The guard that stands returns, and somebody else's is armed."""


@operation
def run(script: str) -> Iterator[Any]:
    """Run a script each time."""
    yield StringCommand(script)


def _guarded(host: Host, text: str, meanwhile: str) -> None:
    files = [ManagedFile("ssh", DROP_IN, text)]
    live.begin(live.Wanted(files=tuple(files)))
    armed = guard.arm([ssh.guarded(host)], files, {}, name="guard: arm")
    managed_set("ssh", files, name="ssh: files")
    run(meanwhile, name="ssh: meanwhile")
    guard.confirm(armed, host.release.ssh_units, name="guard: confirm", _if=changed(armed))


def right(host: Host, environment: Environment) -> None:
    """A change that lets everybody in who was let in; sshd itself has not heard of it yet."""
    _guarded(host, "MaxAuthTries 5\n", "true")


def unheard(host: Host, environment: Environment) -> None:
    """A change that lets nobody in, of which sshd has not heard yet."""
    _guarded(host, "AllowUsers nobody\n", "true")


def anothers(host: Host, environment: Environment) -> None:
    """When this deploy comes to confirm its guard, somebody else's is armed."""
    _guarded(host, "MaxAuthTries 4\n", ANOTHERS)
