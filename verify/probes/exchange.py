"""One HTTP request and its reply (RFC 9112), to a given address, in bounded time and memory."""

from __future__ import annotations

import base64
import hashlib
import http.client
import secrets
import socket
import ssl
import threading
import time
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MOST = 1 << 22
"""Bytes that are read of one body."""
KEPT = 1 << 16
"""Characters of a body that are handed over where they were asked for."""
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
UNTRUSTED = "its certificate is not trusted"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}


@dataclass(frozen=True)
class Request:
    """What to ask. `label` only names it in the answer."""

    url: str
    label: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    """A Content-Length may be given that no body follows: the server can refuse before it reads."""
    user: str = ""
    password: str = field(default="", repr=False)
    websocket: bool = False
    keep: bool = False
    """Hand over the body's text as well."""


@dataclass(frozen=True)
class Reply:
    """What came back; `status` 0 and `error` where nothing did."""

    label: str
    url: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    """As sent, names in small letters; one that was sent twice stands twice."""
    seconds: float = 0.0
    bytes: int = 0
    """Of the body as sent: compressed where it was."""
    sha256: str = ""
    """Of the body, unpacked."""
    text: str = ""
    upgraded: bool = False
    """It switched to WebSocket and proved that it understood (RFC 6455 section 4.2.2)."""
    error: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a header."""
        return tuple(value for key, value in self.headers if key == name.lower())

    def header(self, name: str) -> str:
        """Return a header's values as one, empty where it is missing (RFC 9110 section 5.3)."""
        return ", ".join(self.values(name))


def exchange(
    request: Request,
    address: str | None = None,
    *,
    port: int | None = None,
    ca: str | None = None,
    trusting: bool = False,
    timeout: float = 10.0,
    source: str | None = None,
) -> Reply:
    """Send one request on a connection of its own and return the reply; never raises for what a peer does.

    `address`: where to connect, else where the name leads. `ca`: the only trusted roots. `trusting`: take any
    certificate; a request with a password never is sent to such a server. `timeout`: seconds for all of it.
    """
    began = time.monotonic()
    parts = urlsplit(request.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    where = (address or host, port or parts.port or (443 if secure else 80))
    try:
        sock = socket.create_connection(where, timeout, (source, 0) if source else None)
        watch = sock.dup()
    except OSError as error:
        return Reply(request.label, request.url, error=f"no connection: {error.strerror or error}")
    alarm = threading.Timer(timeout, _cut, (watch,))
    alarm.daemon = True
    alarm.start()
    try:
        if secure:
            sock = _context(ca, trusting and not request.password).wrap_socket(sock, server_hostname=host)
        with closing(sock):
            return _converse(request, sock, began)
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = time.monotonic() - began >= timeout
        why = f"no whole answer within {timeout:.0f} s" if late else _why(error)
        return Reply(request.label, request.url, seconds=_since(began), error=why)
    finally:
        alarm.cancel()
        sock.close()
        watch.close()


def _cut(watch: socket.socket) -> None:
    """End a connection that takes too long, however busily the peer drips."""
    with suppress(OSError):
        watch.shutdown(socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{UNTRUSTED}: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, http.client.IncompleteRead):
        return f"it ended after {len(error.partial)} bytes of the body"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
        return "closed without an answer"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _context(ca: str | None, trusting: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if trusting:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif ca:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs()
    return context


def _converse(request: Request, sock: socket.socket, began: float) -> Reply:
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.hostname or "")
    connection.sock = sock
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    for name, value in _headers(request, parts.netloc, key).items():
        connection.putheader(name, value)
    connection.endheaders()
    with connection.getresponse() as answer:
        seconds, body = _since(began), answer.read(MOST)
        if answer.length and len(body) < MOST:
            raise http.client.IncompleteRead(body, answer.length)
        headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        plain = _unpacked(body, answer.getheader("Content-Encoding", ""))
        expected = base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest())
        return Reply(
            request.label, request.url, answer.status, headers, seconds, len(body),
            hashlib.sha256(plain).hexdigest(),
            plain[:KEPT].decode("utf-8", "replace") if request.keep else "",
            answer.status == 101 and answer.getheader("Sec-WebSocket-Accept") == expected.decode(),
        )  # fmt: skip


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _headers(request: Request, host: str, key: str) -> dict[str, str]:
    headers = {"Host": host, "User-Agent": "Trunkline-probe", "Accept": "*/*"}
    headers |= {**UPGRADE, "Sec-WebSocket-Key": key} if request.websocket else {"Connection": "close"}
    if request.user:
        headers["Authorization"] = basic(request.user, request.password)
    return headers | request.headers


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return a gzip body unpacked, at most MOST bytes of it; any other as it is."""
    if encoding.lower() != "gzip":
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, MOST)
    except zlib.error as error:
        raise ValueError(f"a broken gzip body: {error}") from error


def _since(began: float) -> float:
    return round(time.monotonic() - began, 4)
