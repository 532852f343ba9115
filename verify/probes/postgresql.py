"""Ask a PostgreSQL server by a client of our own: TLS first, then SCRAM-SHA-256, one simple query.

PostgreSQL's documentation, chapter "Frontend/Backend Protocol" (version 3.0); RFC 5802 and RFC 7677.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import sys
from dataclasses import dataclass
from types import TracebackType

SSL_REQUEST = struct.pack("!II", 8, 80877103)
PROTOCOL = 196608
OK, CLEAR, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 10, 11, 12
METHOD = "SCRAM-SHA-256"
Row = tuple[str | None, ...]


class Refused(Exception):
    """The server did not do what it was asked; the message is its own."""


@dataclass(frozen=True)
class Account:
    """Who asks, and which database."""

    user: str
    database: str
    password: str = ""

    def __repr__(self) -> str:
        return f"Account({self.user!r}, {self.database!r})"


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password: str, nonce: str | None = None, user: str = "") -> None:
        self._password = password.encode()
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        self._bare = f"n={user},r={self._nonce}"
        self._server_signature = b""

    @property
    def first(self) -> str:
        """The client's first message."""
        return f"n,,{self._bare}"

    def final(self, challenge: str) -> str:
        """Return the client's final message. Raises Refused for a challenge that is not for us."""
        given = dict(part.split("=", 1) for part in challenge.split(",") if "=" in part)
        if not given.get("r", "").startswith(self._nonce) or given.get("r") == self._nonce:
            raise Refused("the server's nonce does not continue ours")
        salt, rounds = base64.b64decode(given["s"]), int(given["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        client_key = _mac(salted, b"Client Key")
        without_proof = f"c=biws,r={given['r']}"
        message = f"{self._bare},{challenge},{without_proof}".encode()
        signature = _mac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = _mac(_mac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def verify(self, outcome: str) -> None:
        """Raise Refused unless the server, too, has shown that it knows the password."""
        given = dict(part.split("=", 1) for part in outcome.split(",") if "=" in part)
        if not hmac.compare_digest(base64.b64decode(given.get("v", "")), self._server_signature):
            raise Refused("the server does not know the password's verifier")


def startup(account: Account) -> bytes:
    """Return the first message of a session."""
    words = ("user", account.user, "database", account.database, "application_name", "trunkline")
    asked = struct.pack("!I", PROTOCOL) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    return struct.pack("!I", len(asked) + 4) + asked


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, "sha256").digest()


class Session:
    """An authenticated connection; `ca` is a PEM text. Raises OSError or Refused."""

    def __init__(self, host: str, port: int, account: Account, *, ca: str, timeout: float = 5) -> None:
        self._wire: socket.socket = socket.create_connection((host, port), timeout)
        self.version = ""
        """The TLS version, such as TLSv1.3."""
        try:
            self._encrypt(host, ca)
            self._log_in(account)
        except BaseException:
            self._wire.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()

    def query(self, sql: str) -> list[Row]:
        """Return the rows of one statement as text, None for NULL. Raises Refused."""
        self._send(b"Q", sql.encode() + b"\0")
        rows: list[Row] = []
        while True:
            kind, body = self._receive()
            if kind == b"Z":
                return rows
            if kind == b"D":
                rows.append(_row(body))

    def _encrypt(self, host: str, ca: str) -> None:
        """Demand TLS, a certificate by this CA and for this name (verify-full)."""
        self._wire.sendall(SSL_REQUEST)
        if self._exactly(1) != b"S":
            raise Refused("the server does not speak TLS")
        context = ssl.create_default_context(cadata=ca)
        self._wire = context.wrap_socket(self._wire, server_hostname=host)
        self.version = str(self._wire.version())

    def _log_in(self, account: Account) -> None:
        self._wire.sendall(startup(account))
        scram = Scram(account.password)
        while True:
            kind, body = self._receive()
            if kind == b"Z":
                return
            if kind == b"R":
                self._prove(scram, body)

    def _prove(self, scram: Scram, body: bytes) -> None:
        (method,) = struct.unpack_from("!I", body)
        said = body[4:]
        if method == SASL:
            if METHOD.encode() not in said.split(b"\0"):
                raise Refused(f"the server does not offer {METHOD}")
            first = scram.first.encode()
            self._send(b"p", METHOD.encode() + b"\0" + struct.pack("!I", len(first)) + first)
        elif method == SASL_CONTINUE:
            self._send(b"p", scram.final(said.decode()).encode())
        elif method == SASL_FINAL:
            scram.verify(said.decode())
        elif method != OK:
            asks = "the password in clear" if method == CLEAR else f"authentication method {method}"
            raise Refused(f"the server asks for {asks}, not {METHOD}")

    def _send(self, kind: bytes, body: bytes) -> None:
        self._wire.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _receive(self) -> tuple[bytes, bytes]:
        """Return the next message; an error of the server is raised as Refused."""
        head = self._exactly(5)
        body = self._exactly(struct.unpack("!I", head[1:])[0] - 4)
        if head[:1] == b"E":
            raise Refused(_message(body))
        return head[:1], body

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._wire.recv(size - len(data))
            if not part:
                raise Refused("the server ended the conversation")
            data += part
        return data


def _row(body: bytes) -> Row:
    (count,) = struct.unpack_from("!H", body)
    values: list[str | None] = []
    at = 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return tuple(values)


def _message(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'M', 'an error')} ({fields.get(b'C', 'no code')})"


def plain(host: str, port: int, account: Account, timeout: float = 5) -> str:
    """Return "refused" where the server admits nobody without TLS, else how far one gets. Raises OSError.

    The server's first answer tells; no password is sent.
    """
    with socket.create_connection((host, port), timeout) as wire:
        wire.sendall(startup(account))
        try:
            kind = wire.recv(1)
        except ConnectionResetError:
            return "refused"
    return "goes on to the password" if kind == b"R" else "refused"


def main() -> int:
    """Log in with the password from standard input; print the TLS version and what plain meets."""
    from verify.probes.arguments import parser, show

    arguments = parser(
        "verify.probes.postgresql", "Log in to PostgreSQL over TLS; the password is read from stdin."
    )
    arguments.add_argument("--port", type=int, default=5432)
    arguments.add_argument("--user", required=True)
    arguments.add_argument("--database", required=True)
    arguments.add_argument(
        "--ca", required=True, metavar="FILE", help="the PEM file that vouches for the server"
    )
    given = arguments.parse_args()
    account = Account(given.user, given.database, sys.stdin.readline().rstrip("\n"))
    try:
        with open(given.ca, encoding="ascii") as file:
            ca = file.read()
        with Session(given.address, given.port, account, ca=ca, timeout=given.timeout) as session:
            seen = {"address": given.address, "version": session.version}
        seen["plain"] = plain(given.address, given.port, account, given.timeout)
    except (OSError, Refused) as error:
        sys.stderr.write(f"{given.address}: {error}\n")
        return 1
    show(seen, [f"{name} {value}" for name, value in seen.items()], as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
