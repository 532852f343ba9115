"""A whole TLS handshake: the certificates as served, and whether they can be trusted."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from verify.probes.certificate import Certificate, in_order, read_certificate

ALPN = ("h2", "http/1.1")


@dataclass(frozen=True)
class Served:
    """What a whole handshake brought."""

    chain: tuple[Certificate, ...]
    """As served, the server's own first."""
    ordered: bool
    """Each is issued by the next."""
    trust: str
    """Empty when the chain leads to a trusted root and the name fits; else what OpenSSL says."""
    version: str
    cipher: str
    alpn: str


@dataclass(frozen=True)
class Place:
    """Where one asks: an address, a port, a name to ask for (empty for none), how long to wait."""

    address: str
    port: int = 443
    name: str = ""
    timeout: float = 5.0
    source: str | None = None

    def connect(self) -> socket.socket:
        """Return a TCP connection. Raises OSError."""
        origin = (self.source, 0) if self.source else None
        return socket.create_connection((self.address, self.port), self.timeout, origin)


def served(place: Place, ca: str | None = None) -> Served:
    """Return what a whole handshake brings, whether or not it can be trusted.

    `ca`: a PEM file of the only trusted roots; None: the system's. Only what the server sends is used to
    reach a root (RFC 8446 section 4.4.2), so a missing intermediate shows in `trust`. Raises OSError.
    """
    context = _context(place)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with _handshake(place, context) as wrapped:
        chain = tuple(_chain(wrapped))
        cipher = wrapped.cipher() or ("", "", 0)
        version, alpn = wrapped.version() or "", wrapped.selected_alpn_protocol() or ""
    return Served(
        chain=tuple(read_certificate(each) for each in chain),
        ordered=in_order(chain),
        trust=_trust(place, ca),
        version=version,
        cipher=cipher[0],
        alpn=alpn,
    )


def _trust(place: Place, ca: str | None) -> str:
    """Handshake once more, now judged by OpenSSL; return what it objects to, or nothing."""
    context = _context(place)
    context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
    context.load_verify_locations(ca) if ca else context.load_default_certs()
    try:
        with _handshake(place, context):
            return ""
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)


def _context(place: Place) -> ssl.SSLContext:
    """Return a context that takes whatever the local library can speak: this is a look, not a use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(list(ALPN))
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextlib.contextmanager
def _handshake(place: Place, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with place.connect() as sock:
        sock.settimeout(place.timeout)
        with context.wrap_socket(sock, server_hostname=place.name or place.address) as wrapped:
            yield wrapped


def _chain(wrapped: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates as served (DER); public from Python 3.13 on, there before as well."""
    if hasattr(wrapped, "get_unverified_chain"):
        return [bytes(each) for each in wrapped.get_unverified_chain()]
    inner: Any = wrapped._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain() or ()]
