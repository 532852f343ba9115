"""The twin of an environment by hand: up, down, look, enter, keep and bring back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from control.console import Console
from control.errors import TrunklineError
from control.target import Target

if TYPE_CHECKING:
    from twin.twin import Twin


def twin_of(target: Target) -> Twin:
    """Return the twin that an environment lives in. Raises TrunklineError for real servers."""
    from twin.twin import Twin

    if not target.environment.in_twin:
        raise TrunklineError(
            f"{target.environment.name} has real servers, it does not live in a twin.",
            f"`invoke rehearse --env {target.environment.name}` tries it on this machine.",
        )
    return Twin(target.environment, name=target.instance)


def up(target: Target, console: Console) -> None:
    """Boot every host that is not up; what is up stays as it is."""
    with console.progress(f"twin {target.instance}") as board:
        board.working("twin", "boot")

        def told(text: str) -> None:
            console.event("twin", text=text)
            board.done("twin", text, "ok")
            board.working("twin", text)

        twin_of(target).up(progress=told)
        board.done("twin", "boot")


def down(target: Target, console: Console, *, erase: bool) -> None:
    """Stop the twin; with `erase` forget its disks and snapshots too."""
    with console.progress(f"twin {target.instance}") as board:
        board.working("twin", "stop")
        twin = twin_of(target)
        twin.erase() if erase else twin.down()
    kept = "disks and snapshots are gone as well" if erase else "disks are kept for the next `twin.up`"
    console.say(f"twin {target.instance} is down; {kept}.")


def enter(target: Target, host: str) -> None:
    """Become a root shell in one host, by a road that does not depend on SSH. Does not return."""
    from twin.enter import enter_argv

    _known(target, host)
    if not twin_of(target).is_up(host):
        raise TrunklineError(f"{host} is not up.", "`invoke twin.up` boots it.")
    argv = enter_argv(target.instance, host)
    os.execvp(argv[0], argv)


def snapshot(target: Target, console: Console, label: str) -> None:
    """Keep the disks of all hosts under a label."""
    twin_of(target).snapshot(label)
    console.say(f"snapshot {label} of {target.instance} is kept; `invoke twin.restore {label}` goes back.")


def restore(target: Target, console: Console, label: str) -> None:
    """Bring all disks back and boot every host."""
    with console.progress(f"twin {target.instance}") as board:
        board.working("twin", f"restore {label}")
        twin_of(target).restore(label)
    console.say(f"{target.instance} is as it was at {label}; every host is up.")


def reboot(target: Target, console: Console, host: str) -> None:
    """Restart one host and wait until it is up again."""
    _known(target, host)
    with console.progress(f"twin {target.instance}") as board:
        board.working(host, "reboot")
        twin_of(target).reboot(host)
    console.say(f"{host} was rebooted.")


def _known(target: Target, host: str) -> None:
    names = [each.name for each in target.environment.hosts]
    if host not in names:
        raise TrunklineError(
            f"{target.environment.name} has no host {host!r}.", f"Hosts: {', '.join(names)}."
        )
