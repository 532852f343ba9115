"""A flow of SIP messages to one server: UDP, TCP or TLS (RFC 3261 section 18), each wait with its end."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from verify.probes.sip_grammar import Malformed, bracketed
from verify.probes.sip_headers import Via
from verify.probes.sip_message import Message, read
from verify.probes.sip_stream import Stream

Transport = Literal["UDP", "TCP", "TLS"]
TRANSPORTS: tuple[Transport, ...] = ("UDP", "TCP", "TLS")
MOST_GARBAGE = 500
"""Datagrams that cannot be read, after which a peer is not listened to any more."""
RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
"""IP_RECVERR and IPV6_RECVERR (ip(7)): with it soft ICMP errors are told as well."""


class Unreached(OSError):
    """ICMP said that a datagram did not arrive; `icmp` holds what it said and who."""

    def __init__(self, code: int, icmp: str) -> None:
        super().__init__(code, icmp)
        self.icmp = icmp


@dataclass(frozen=True)
class Server:
    """Where a SIP server is asked, and from where. `port` 0: the transport's usual one."""

    address: str
    port: int = 0
    transport: Transport = "UDP"
    name: str = ""
    """The name to ask for in TLS (default: the address)."""
    source: str | None = None
    source_port: int = 0

    @property
    def target_port(self) -> int:
        """The port, or the transport's usual one (RFC 3261 section 19.1.2)."""
        return self.port or (5061 if self.transport == "TLS" else 5060)

    @property
    def uri(self) -> str:
        """The server itself as a URI."""
        usual = self.target_port == 5060
        return f"sip:{bracketed(self.address)}{'' if usual else f':{self.target_port}'}"


@dataclass
class Flow:
    """An open socket to a server. Use `opened`."""

    server: Server
    sock: socket.socket
    garbled: list[str] = field(default_factory=list)
    """Why each datagram that could not be read was left aside."""
    acknowledged: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """The ACK of each INVITE by branch and tag: a response that comes again gets it again."""
    _stream: Stream = field(default_factory=Stream)

    @property
    def reliable(self) -> bool:
        """Whether nothing needs to be sent again."""
        return self.server.transport != "UDP"

    @property
    def here(self) -> tuple[str, int]:
        """Our own address and port, as this machine sees them."""
        name = self.sock.getsockname()
        return str(name[0]).partition("%")[0], int(name[1])

    @property
    def there(self) -> tuple[str, int]:
        """The server's address and port as resolved."""
        name = self.sock.getpeername()
        return str(name[0]).partition("%")[0], int(name[1])

    def via(self, branch: str) -> Via:
        """Return a request's Via, which asks to be answered where it came from (RFC 3581)."""
        return Via(self.server.transport, *self.here, (("branch", branch), ("rport", None)))

    def fileno(self) -> int:
        """Return the descriptor, to wait for it among others."""
        return self.sock.fileno()

    def send(self, data: bytes, timeout: float = 2.0) -> None:
        """Send one message. Raises OSError: Unreached where ICMP has told of an earlier one."""
        end, rest = time.monotonic() + timeout, memoryview(data)
        while rest:
            try:
                rest = rest[self.sock.send(rest) :]
            except ssl.SSLWantReadError:
                _wait(self.sock, end, reading=True)
            except (BlockingIOError, ssl.SSLWantWriteError):
                _wait(self.sock, end, reading=False)
            except OSError as error:
                raise self._told(error) from error

    def receive(self, until: float) -> Message | None:
        """Return the next message; None when the moment `until` (monotonic) has come.

        Raises OSError where the connection ended, and Malformed where the peer cannot be followed any more.
        """
        while True:
            if self.reliable and (message := self._stream.next()):
                return message
            try:
                data = self.sock.recv(65535)
            except (BlockingIOError, ssl.SSLWantReadError):
                if not _wait(self.sock, until, reading=True, patient=True):
                    return None
                continue
            except OSError as error:
                raise self._told(error) from error
            if self.reliable:
                if not data:
                    raise ConnectionAbortedError(errno.ECONNABORTED, "the server closed the connection")
                self._stream.feed(data)
            elif message := self._datagram(data):
                return message
            if time.monotonic() >= until:
                return None

    def _datagram(self, data: bytes) -> Message | None:
        if not data.strip(b"\r\n\0"):  # a keep-alive
            return None
        try:
            return read(data)
        except Malformed as error:
            self.garbled.append(str(error))
            if len(self.garbled) > MOST_GARBAGE:
                raise
            return None

    def _told(self, error: OSError) -> OSError:
        """Return what ICMP said, where an error of a datagram socket came from it."""
        if self.reliable:
            return error
        with contextlib.suppress(OSError):
            _, ancillary, _, _ = self.sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            for _, _, data in ancillary:
                code, _, kind, number = struct.unpack_from("=IBBB", data)
                who = data[20:24] if self.sock.family == socket.AF_INET else data[24:40]
                sender = socket.inet_ntop(self.sock.family, who)
                return Unreached(code, f"ICMP type {kind} code {number} from {sender}")
        return error


@contextlib.contextmanager
def opened(server: Server, timeout: float = 4.0) -> Iterator[Flow]:
    """Open a flow for a while; a connection and its TLS take at most `timeout` seconds.

    Any certificate is taken: whether it can be trusted is another look. Raises OSError.
    """
    end = time.monotonic() + timeout
    kind = socket.SOCK_DGRAM if server.transport == "UDP" else socket.SOCK_STREAM
    family, *_, target = socket.getaddrinfo(server.address, server.target_port, type=kind)[0]
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket(family, kind))
        sock.setblocking(False)
        if server.source or server.source_port:
            sock.bind((server.source or "", server.source_port))
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(*RECVERR[socket.AddressFamily(family)], 1)
            sock.connect(target)
        else:
            _connect(sock, target, end)
        if server.transport == "TLS":
            sock = stack.enter_context(_secured(sock, server.name or server.address, end))
        yield Flow(server, sock)


def _connect(sock: socket.socket, target: tuple[object, ...], end: float) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = sock.connect_ex(target)
    if code == errno.EINPROGRESS:
        _wait(sock, end, reading=False)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, errno.errorcode.get(code, "no connection"))


def _secured(sock: socket.socket, name: str, end: float) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wrapped = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    while True:
        try:
            wrapped.do_handshake()
            return wrapped
        except ssl.SSLWantReadError:
            _wait(wrapped, end, reading=True)
        except ssl.SSLWantWriteError:
            _wait(wrapped, end, reading=False)
        except BaseException:
            wrapped.close()
            raise


def _wait(sock: socket.socket, end: float, *, reading: bool, patient: bool = False) -> bool:
    """Wait until a socket is ready. At `end` return False to the patient, raise TimeoutError otherwise."""
    poll = select.poll()
    poll.register(sock, select.POLLIN if reading else select.POLLOUT)
    left = end - time.monotonic()
    if poll.poll(max(0.0, left) * 1000):
        return True
    if patient:
        return False
    raise TimeoutError(errno.ETIMEDOUT, "no answer to the connection")
