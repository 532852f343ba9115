"""Entering a node of the twin: its network, and its resolv.conf, with the machine's own files.

`enter` moves this very process, `enter_argv` is a prefix for others.
By hand: `python -m twin.enter NAME NODE -- argv`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from control import places
from control.errors import TrunklineError
from twin import network
from twin.relay import move_to

CLONE_NEWNS = 0x00020000
MS_REC_SLAVE = 0x4000 | 0x80000
MS_BIND = 0x1000
_BIND = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


def resolv_conf_of(name: str) -> Path:
    """Return the resolv.conf that every node of a twin uses."""
    return places.run() / name / "resolv.conf"


def enter(name: str, node: str) -> None:
    """Put this process into a node's network; everything it starts is there as well. There is no way back.

    The process must have one thread only. TrunklineError when the twin is not up.
    """
    move_to(str(_namespace(name, node)))
    libc = ctypes.CDLL(None, use_errno=True)
    resolv = str(resolv_conf_of(name)).encode()
    target = os.path.realpath("/etc/resolv.conf").encode()
    if (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(None, b"/", None, MS_REC_SLAVE, None)
        or libc.mount(resolv, target, None, MS_BIND, None)
    ):
        number = ctypes.get_errno()
        raise TrunklineError(f"{node} of the twin {name} cannot be entered: {os.strerror(number)}.")


def enter_argv(name: str, node: str) -> list[str]:
    """Return the prefix of an argv that is to run in a node's network; TrunklineError when it is not up."""
    namespace, resolv = _namespace(name, node), resolv_conf_of(name)
    unshare = ["unshare", "--mount", "--propagation", "slave", "--"]
    return ["nsenter", f"--net={namespace}", "--", *unshare, "/bin/sh", "-c", _BIND, str(resolv)]


def refuse_inside() -> None:
    """Raise where this process is in a node's network: what it would mount or start would be lost there."""
    mine = os.stat("/proc/self/ns/net").st_ino
    for path in network.NAMESPACES.glob("*.*"):
        if path.stat().st_ino == mine:
            raise TrunklineError(
                f"This process is inside {path.name} and cannot change a twin.", "Do it from outside."
            )


def _namespace(name: str, node: str) -> Path:
    path = network.path_of(name, node)
    if not path.exists():
        nodes = ", ".join(n.partition(".")[2] for n in network.namespaces_of(name))
        remedy = f"Nodes that are up: {nodes}." if nodes else f"Bring it up: `invoke twin.up --twin {name}`."
        raise TrunklineError(f"The twin {name} has no node {node} that is up.", remedy)
    return path


if __name__ == "__main__":
    separator = sys.argv.index("--")
    name_, node_ = sys.argv[1:separator]
    program = sys.argv[separator + 1 :]
    os.execvp("nsenter", [*enter_argv(name_, node_), *program])
