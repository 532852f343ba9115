"""Look at an SSH server from outside: what it offers, how it lets people in, whether a password works.

The offer is read by an own reader of the first packets (RFC 4253 sections 4.2, 6 and 7.1), so that it shows
what stands on the wire and not what a client library understands of it.
"""

from __future__ import annotations

import argparse
import secrets
import socket
import struct
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from verify.probes.arguments import parser, show
from verify.probes.borrow import borrowed

if TYPE_CHECKING:
    import paramiko

KEXINIT = 20  # SSH_MSG_KEXINIT, RFC 4253 section 12
LARGEST_PACKET = 35000  # RFC 4253 section 6.1
OWN_BANNER = b"SSH-2.0-Trunkline_probe\r\n"
Answer = Literal["accepted", "refused", "not offered", "cut off"]


class NotSsh(Exception):
    """What answered does not speak SSH 2; the message says what was heard."""


@dataclass(frozen=True)
class Offer:
    """What a server offers in its first packet, in its order of preference."""

    banner: str
    kex: tuple[str, ...]
    host_key: tuple[str, ...]
    cipher: tuple[str, ...]
    mac: tuple[str, ...]
    compression: tuple[str, ...]


@dataclass(frozen=True)
class Login:
    """What became of a try to log in: the methods the server would take, and its answer to a password."""

    user: str
    methods: tuple[str, ...]
    password: Answer | None


def ssh_offer(address: str, port: int = 22, *, timeout: float = 5.0, source: str | None = None) -> Offer:
    """Read the server's banner and KEXINIT. Raises OSError or NotSsh."""
    with connect(address, port, timeout, source) as sock:
        return offer_on(sock, f"{address} port {port}")


def offer_on(sock: socket.socket, place: str) -> Offer:
    """Read the banner and KEXINIT of the server at the other end. Raises OSError or NotSsh."""
    with sock.makefile("rb") as stream:
        sock.sendall(OWN_BANNER)
        lines = (stream.readline(512) for _ in range(20))  # a server may greet before it (section 4.2)
        banner = next((line for line in lines if line.startswith(b"SSH-") or not line), b"")
        if not banner.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            raise NotSsh(f"{place} does not speak SSH 2: it said {banner[:60]!r}")
        size, padding = struct.unpack("!IB", _exactly(stream.read(5), 5))
        if not padding < size <= LARGEST_PACKET:
            raise NotSsh(f"{place} sent a packet of {size} bytes")
        return read_offer(
            banner.decode("ascii", "replace").strip(), _exactly(stream.read(size - 1), size - 1)
        )


def read_offer(banner: str, payload: bytes) -> Offer:
    """Read a KEXINIT payload: message number, 16 bytes cookie, ten name-lists. Raises NotSsh."""
    if not payload or payload[0] != KEXINIT:
        raise NotSsh("the first packet is no KEXINIT")
    at, lists = 17, []
    for _ in range(10):
        (length,) = struct.unpack_from("!I", _exactly(payload[at : at + 4], 4))
        text = _exactly(payload[at + 4 : at + 4 + length], length).decode("ascii", "replace")
        lists.append(tuple(filter(None, text.split(","))))
        at += 4 + length
    both = [tuple(dict.fromkeys((*lists[i], *lists[i + 1]))) for i in (2, 4, 6)]
    return Offer(banner, lists[0], lists[1], *both)


def _exactly(data: bytes | None, size: int) -> bytes:
    if data is None or len(data) != size:
        raise NotSsh("the server ended the connection in the middle of a packet")
    return data


def ssh_login(
    address: str,
    port: int = 22,
    *,
    user: str,
    password: str | None = None,
    tries: int = 1,
    timeout: float = 8.0,
    source: str | None = None,
) -> Login:
    """Ask which methods the server takes for `user`; with a password really send it, `tries` times.

    Any host key is taken: nothing secret is sent. Raises OSError or NotSsh.
    """
    import paramiko

    with connect(address, port, timeout, source) as sock:
        transport = paramiko.Transport(sock)
        transport.banner_timeout = transport.auth_timeout = timeout
        try:
            transport.start_client(timeout=timeout)
            methods = _methods(transport, user)
            if password is None or "none" in methods:
                return Login(user, methods, None)
            return Login(user, methods, _password(transport, user, password, tries))
        except (paramiko.SSHException, EOFError) as error:
            raise NotSsh(f"no login could be tried: {error or 'the server ended the connection'}") from error
        finally:
            transport.close()


def _methods(transport: paramiko.Transport, user: str) -> tuple[str, ...]:
    import paramiko

    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as refused:
        return tuple(refused.allowed_types)
    except paramiko.AuthenticationException:
        return ()
    return ("none",)  # let in without any proof


def _password(transport: paramiko.Transport, user: str, password: str, tries: int) -> Answer:
    import paramiko

    answer: Answer = "refused"
    for _ in range(tries):
        try:
            transport.auth_password(user, password, fallback=False)
            return "accepted"
        except paramiko.BadAuthenticationType:
            answer = "not offered"
        except paramiko.AuthenticationException:
            answer = "refused"
        except (paramiko.SSHException, OSError, EOFError):
            return "cut off"
    return answer


def connect(address: str, port: int, timeout: float, source: str | None = None) -> socket.socket:
    """Return a TCP connection, from a given local address where one is named. Raises OSError."""
    return socket.create_connection((address, port), timeout, (source, 0) if source else None)


def main() -> int:
    """Print what the server offers; with --user also how it lets that account in. 1: it was impossible."""
    arguments = parser("verify.probes.ssh", "Read what an SSH server offers; try a password that is wrong.")
    arguments.add_argument("--port", type=int, default=22)
    arguments.add_argument("--user", action="append", default=[], help="ask its login methods (repeatable)")
    arguments.add_argument("--password", action="store_true", help="really try a random password")
    arguments.add_argument("--tries", type=int, default=1, help="how often on one connection (default 1)")
    arguments.add_argument("--borrow", metavar="ADDRESS", help="look from this address, added for the while")
    given = arguments.parse_args()
    try:
        with borrowed(given.borrow) as source:
            offer, logins = _look(given, source or given.source)
    except (OSError, NotSsh) as error:
        sys.stderr.write(f"{given.address} port {given.port}: {error}\n")
        return 1
    names = ("banner", "kex", "host_key", "cipher", "mac")
    values = [getattr(offer, name) for name in names]
    lines = [f"{n:9} {v if isinstance(v, str) else ' '.join(v)}" for n, v in zip(names, values, strict=True)]
    lines += [
        f"login     {each.user}: takes {', '.join(each.methods)}; password {each.password}" for each in logins
    ]
    show({"offer": asdict(offer), "logins": [asdict(login) for login in logins]}, lines, as_json=given.json)
    return 0


def _look(given: argparse.Namespace, source: str | None) -> tuple[Offer, list[Login]]:
    where = {"timeout": given.timeout, "source": source}
    offer = ssh_offer(given.address, given.port, **where)
    logins = []
    for user in given.user:
        password = secrets.token_urlsafe(12) if given.password else None
        login = ssh_login(given.address, given.port, user=user, password=password, tries=given.tries, **where)
        logins.append(login)
    return offer, logins


if __name__ == "__main__":
    raise SystemExit(main())
