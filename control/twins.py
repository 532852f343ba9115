"""The twin of an environment by hand: up, down, look, enter, keep and bring back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from control.console import Console
from control.errors import Interrupted, TrunklineError
from control.target import Target

NODES = ("controller", "stranger")
"""Networks of the twin that are no host's."""

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


def up(target: Target, console: Console, *, explain: bool = False) -> None:
    """Boot every host that is not up; what is up stays as it is.

    What is not as in production is told when something had to be booted, and always with `explain`.
    """
    booted = False
    with console.progress(f"twin {target.instance}") as board:
        board.working("twin", "boot")

        def told(text: str) -> None:
            nonlocal booted
            booted = True
            console.event("twin", text=text)
            board.said("twin", text)
            board.working("twin", text)

        try:
            twin_of(target).up(progress=told)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted while the twin boots.", "What is up stays; run it again, or `invoke twin.down`."
            ) from None
        board.done("twin", "boot")
    if booted or explain:
        tell_substitutions(target, console)


def tell_substitutions(target: Target, console: Console) -> None:
    """Say what is not as in production, a line each."""
    console.title("Not as in production:")
    for each in twin_of(target).substitutions():
        console.event("substitution", **each._asdict())
        if not console.as_json:
            console.say(f"  {each}", "dim")


def down(target: Target, console: Console, *, erase: bool) -> None:
    """Stop the twin; with `erase` forget its disks and snapshots too."""
    with console.progress(f"twin {target.instance}") as board:
        board.working("twin", "stop")
        twin = twin_of(target)
        twin.erase() if erase else twin.down()
    kept = "disks and snapshots are gone as well" if erase else "disks are kept for the next `twin.up`"
    console.say(f"twin {target.instance} is down; {kept}.")


def show_status(target: Target, console: Console) -> None:
    """Show the hosts, the forwards to loopback, the snapshots and what is not as in production."""
    twin = twin_of(target)
    seen = twin.status()
    rows = [
        (host.name, host.os, f"ok: {host.phase}" if host.phase == "ready" else host.phase,
         ", ".join(host.addresses), str(host.boots), f"{host.disk_mb} MB", host.problem)
        for host in seen.hosts
    ]  # fmt: skip
    console.table("twin_host", ("Host", "System", "State", "Addresses", "Boots", "Disk", "Problem"), rows)
    if seen.offices:
        lines = [
            (each.name, each.address, "ok: up" if each.state == "up" else each.state, each.pbx,
             ", ".join(each.changed))
            for each in seen.offices
        ]  # fmt: skip
        console.title("Offices that tunnels lead to:")
        console.table("office", ("Office", "Address", "Tunnel", "PBX", "Wrong on purpose"), lines)
    if seen.carriers:
        callers = [
            (each.name, ", ".join(each.addresses), "ok: up" if each.state == "up" else each.state,
             ", ".join(each.changed))
            for each in seen.carriers
        ]  # fmt: skip
        console.title("Carriers that trunks lead to:")
        console.table("carrier", ("Carrier", "Addresses", "State", "Wrong on purpose"), callers)
    if seen.forwards:
        forwards = [(f"{each.address}:{each.port}", each.host, each.what) for each in seen.forwards]
        console.title("Reachable from this machine:")
        console.table("forward", ("Address", "Host", "What"), forwards)
    console.say(f"Snapshots: {', '.join(seen.snapshots) or 'none'}.")
    tell_substitutions(target, console)
    if seen.ntp_offset:
        console.warn(f"The time server is off by {seen.ntp_offset} s.")


def enter(target: Target, node: str) -> None:
    """Become a root shell in one host, or in the network of a node. Does not return."""
    from twin.carriers import carrier_nodes
    from twin.offices import private_nodes

    if node not in (*NODES, *private_nodes(target.environment), *carrier_nodes(target.environment)):
        _known(target, node)
    argv = twin_of(target).shell_argv(node)
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
