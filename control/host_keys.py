"""Fetch the host keys that a host proves to hold, one SSH key exchange a key type (RFC 4253, section 8).

As a program, run where the hosts are reachable, `python -m control.host_keys ENVIRONMENT INSTANCE HOST...`
prints one JSON object a host.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

import paramiko

from control.errors import TrunklineError
from deploys._connector.dial import dial
from deploys._connector.login import Login, log_in
from deploys._connector.route import Route, route_to
from inventories.model import load

TYPES: tuple[tuple[str, ...], ...] = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
SECONDS = 15


def host_keys(route: Route) -> tuple[int, list[paramiko.PKey]]:
    """Return the port that answered, and every key the host proved to hold.

    Raises TrunklineError where the host does not answer or speaks no SSH.
    """
    found: list[paramiko.PKey] = []
    port, reason = 0, ""
    for types in TYPES:
        try:
            port, key = _exchanged(route, types)
            found.append(key)
        except (paramiko.SSHException, EOFError, OSError) as error:
            reason = str(error).strip() or "it closes the connection"
    if not found:
        raise TrunklineError(
            f"{route.host} ({route.address}) answers, but completes no SSH key exchange: {reason}.",
            "Is that port sshd's? A ban (fail2ban, PerSourcePenalties) looks like this as well.",
        )
    return port, found


def _exchanged(route: Route, types: Sequence[str]) -> tuple[int, paramiko.PKey]:
    with contextlib.ExitStack() as opened:
        jump = _jump(route)
        if jump:
            opened.callback(jump.close)
        stream = dial(route, jump.transport if jump else None)
        transport = paramiko.Transport(stream.socket)
        opened.callback(transport.close)
        transport.banner_timeout = transport.handshake_timeout = SECONDS
        transport.get_security_options().key_types = list(types)
        transport.start_client(timeout=SECONDS)
        return stream.port, transport.get_remote_server_key()


def _jump(route: Route) -> Login | None:
    """Log in to the last jump host, through those before it."""
    if not route.jumps:
        return None
    last = replace(route.jumps[-1], jumps=route.jumps[:-1])
    login = log_in(last, last.users[0])
    if login is None:
        raise TrunklineError(f"{last.host} does not let {last.users[0]} in.", "Check ~/.ssh/config.")
    return login


def main(environment: str, instance: str, *names: str) -> None:
    """Print what each host shows, or why it shows nothing."""
    declared = load(environment)
    for name in names:
        answer: dict[str, object] = {"host": name}
        try:
            port, keys = host_keys(route_to(declared, declared.host(name), instance))
            answer |= {"port": port, "keys": [f"{key.get_name()} {key.get_base64()}" for key in keys]}
        except TrunklineError as error:
            answer |= {"error": error.message, "remedy": error.remedy}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
