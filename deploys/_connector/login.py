"""Log in to a host: the pinned key, the first user that is let in and can become root."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from deploys._connector.dial import dial
from deploys._connector.failure import Unreachable
from deploys._connector.hostkeys import check_host_key, key_types, pinned_keys
from deploys._connector.route import Route

HANDSHAKE_SECONDS = 15
CHANNEL_SECONDS = 15
KEEPALIVE_SECONDS = 5

# paramiko logs tracebacks of what is raised as well; without a handler Python prints them to people.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Login:
    """An authenticated connection, and those of the jump hosts under it."""

    transport: paramiko.Transport
    user: str
    port: int
    below: tuple[paramiko.Transport, ...] = ()

    def close(self) -> None:
        """Close the connection and what it runs through."""
        for transport in (self.transport, *reversed(self.below)):
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                transport.close()


def log_in(route: Route, user: str) -> Login | None:
    """Connect and authenticate as one user; None when the host knows no key of ours for that user.

    Raises Unreachable for everything else.
    """
    below: list[paramiko.Transport] = []
    try:
        for jump in route.jumps:
            below.append(_through(jump, below))
        stream = dial(route, below[-1] if below else None)
        transport = _handshake(route, stream.port, stream.socket)
    except BaseException:
        _close(below)
        raise
    if _authenticated(transport, route, user):
        transport.set_keepalive(KEEPALIVE_SECONDS)
        return Login(transport, user, stream.port, tuple(below))
    _close([*below, transport])
    return None


def _through(jump: Route, below: list[paramiko.Transport]) -> paramiko.Transport:
    stream = dial(jump, below[-1] if below else None)
    transport = _handshake(jump, stream.port, stream.socket)
    if not _authenticated(transport, jump, jump.users[0]):
        transport.close()
        raise Unreachable(
            f"{jump.host} does not let {jump.users[0]} in.", "Check ~/.ssh/config and the keys for it."
        )
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return transport


def _handshake(route: Route, port: int, stream: object) -> paramiko.Transport:
    """Exchange keys and check the host's against the pinned ones."""
    transport = paramiko.Transport(stream)  # type: ignore[arg-type]
    transport.banner_timeout = HANDSHAKE_SECONDS
    transport.handshake_timeout = HANDSHAKE_SECONDS
    transport.auth_timeout = HANDSHAKE_SECONDS
    transport.channel_timeout = CHANNEL_SECONDS  # type: ignore[attr-defined]
    known = key_types(pinned_keys(route, port))
    if known:
        options = transport.get_security_options()
        possible = list(options.key_types)
        options.key_types = sorted(
            possible, key=lambda name: known.index(name) if name in known else len(known)
        )
    try:
        transport.start_client(timeout=HANDSHAKE_SECONDS)
        check_host_key(route, port, transport.get_remote_server_key())
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise Unreachable(
            f"{route.host} ({route.address}) ends the SSH handshake on port {port}: {_reason(error)}.",
            "Is that port sshd's? A ban (fail2ban, PerSourcePenalties) looks like this as well.",
        ) from error
    except Unreachable:
        transport.close()
        raise
    return transport


def _authenticated(transport: paramiko.Transport, route: Route, user: str) -> bool:
    for key in _keys(route):
        try:
            transport.auth_publickey(user, key)
        except paramiko.AuthenticationException:
            if not transport.is_active():
                return False
        except (paramiko.SSHException, EOFError, OSError):
            return False
        else:
            return transport.is_authenticated()
    return False


def _keys(route: Route) -> Iterator[paramiko.PKey]:
    """Yield the keys to try: the named files first, then the agent's."""
    for path in route.keys:
        key = _key_in(path)
        if key is not None:
            yield key
    if route.agent and os.environ.get("SSH_AUTH_SOCK"):
        yield from paramiko.Agent().get_keys()


def _key_in(path: Path) -> paramiko.PKey | None:
    """Return a private key, or None where there is none or only an agent can open it (passphrase)."""
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, paramiko.SSHException, ValueError, TypeError):
        return None


def _reason(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or "it closes the connection"


def _close(transports: list[paramiko.Transport]) -> None:
    for transport in reversed(transports):
        transport.close()
