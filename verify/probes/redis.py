"""Ask a Redis server over TLS for a sign of life (RESP), and whether it would answer in plain."""

from __future__ import annotations

import socket
import ssl
import sys

PING = b"*1\r\n$4\r\nPING\r\n"


class Refused(Exception):
    """The server did not do what it was asked; the message is its own."""


def answered(host: str, port: int, password: str, *, ca: str, timeout: float = 5) -> str:
    """Log in over verified TLS and return the TLS version. Raises OSError or Refused."""
    context = ssl.create_default_context(cadata=ca)
    wire = socket.create_connection((host, port), timeout)
    with wire, context.wrap_socket(wire, server_hostname=host) as encrypted:
        key = password.encode()
        _expect(encrypted, b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(key), key), "+OK")
        _expect(encrypted, PING, "+PONG")
        return str(encrypted.version())


def _expect(wire: socket.socket, asked: bytes, wanted: str) -> None:
    wire.sendall(asked)
    said = wire.recv(512).decode(errors="replace").strip()
    if said != wanted:
        raise Refused(said or "the server ended the conversation")


def plain(host: str, port: int, timeout: float = 5) -> str:
    """Return "refused" where the server speaks TLS alone, else what it answers. Raises OSError."""
    with socket.create_connection((host, port), timeout) as wire:
        wire.sendall(PING)
        try:
            said = wire.recv(512)
        except (ConnectionResetError, TimeoutError):
            return "refused"
    return (
        f"answered: {said[:80].decode(errors='replace').strip()}" if said[:1] in (b"+", b"-") else "refused"
    )


def main() -> int:
    """Log in with the password from standard input; print the TLS version and what plain meets."""
    from verify.probes.arguments import parser, show

    arguments = parser("verify.probes.redis", "Log in to Redis over TLS; the password is read from stdin.")
    arguments.add_argument("--port", type=int, default=6379)
    arguments.add_argument(
        "--ca", required=True, metavar="FILE", help="the PEM file that vouches for the server"
    )
    given = arguments.parse_args()
    try:
        with open(given.ca, encoding="ascii") as file:
            ca = file.read()
        password = sys.stdin.readline().rstrip("\n")
        version = answered(given.address, given.port, password, ca=ca, timeout=given.timeout)
        seen = {
            "address": given.address,
            "version": version,
            "plain": plain(given.address, given.port, given.timeout),
        }
    except (OSError, Refused) as error:
        sys.stderr.write(f"{given.address}: {error}\n")
        return 1
    show(seen, [f"{name} {value}" for name, value in seen.items()], as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
