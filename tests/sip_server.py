"""A small SIP server on loopback: sockets and regular expressions, so that it shares no bug of ours."""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Say = Callable[[str], None]
Script = Callable[[str, Say], None]
"""What is done with each request: its text, and a way to answer."""
TAG = "uas7"


@dataclass
class Uas:
    """A running server, and every message that it has seen."""

    transport: str
    port: int
    seen: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    say: Say | None = None
    """Reaches whoever asked last: to send requests within a dialog."""

    @property
    def methods(self) -> list[str]:
        """What has been sent here, in its order."""
        return [text.split(" ")[0] for text in self.seen]

    def note(self, text: str) -> None:
        """Keep what was seen, and wake who waits for it."""
        with self.news:
            self.seen.append(text)
            self.news.notify_all()

    def wait(self, method: str, count: int = 1) -> str:
        """Return the last message of a method once there are `count`; 5 s at most."""
        with self.news:
            assert self.news.wait_for(lambda: self.methods.count(method) >= count, 5), self.methods
            return [text for text in self.seen if text.startswith(f"{method} ")][-1]


def header(text: str, name: str) -> str:
    """Return the first value of a header."""
    found = re.search(rf"^{name}[ \t]*:[ \t]*(.*?)\r?$", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


def reply(request: str, status: int, phrase: str, *more: str, body: str = "") -> str:
    """Return a response to a request: what RFC 3261 section 8.2.6 copies, and more lines."""
    copied = [line for line in request.split("\r\n\r\n")[0].split("\r\n")[1:]
              if re.match(r"(via|from|to|call-id|cseq):", line, re.IGNORECASE)]  # fmt: skip
    if status > 100:
        copied = [f"{line};tag={TAG}" if re.match(r"to:(?!.*;tag=)", line, re.I) else line for line in copied]
    kind = ["Content-Type: application/sdp"] if body else []
    head = [f"SIP/2.0 {status} {phrase}", *copied, *more, *kind, f"Content-Length: {len(body)}"]
    return "\r\n".join((*head, "", body))


def described(port: int = 40000, address: str = "192.0.2.20", *more: str) -> str:
    """Return a description of one audio stream."""
    where = f"IN IP4 {address}"
    lines = ["v=0", f"o=pbx 7 1 {where}", "s=-", f"c={where}", "t=0 0", f"m=audio {port} RTP/AVP 0",
             "a=rtpmap:0 PCMU/8000", *more]  # fmt: skip
    return "\r\n".join((*lines, ""))


def asked(
    invite: str, method: str, number: int, *more: str, body: str = "", contact: str = "sip:pbx@127.0.0.1"
) -> str:
    """Return a request of the called one within the dialog that an INVITE began."""
    target = re.search("<(.*?)>", header(invite, "Contact"))
    kind = ["Content-Type: application/sdp"] if body else []
    head = [
        f"{method} {target[1] if target else ''} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-pbx-{number}-{method}",
        "Max-Forwards: 70",
        f"From: {header(invite, 'To')};tag={TAG}",
        f"To: {header(invite, 'From')}",
        f"Call-ID: {header(invite, 'Call-ID')}",
        f"CSeq: {number} {method}",
        f"Contact: <{contact}>",
        *more,
        *kind,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join((*head, "", body))


def accept_calls(request: str, say: Say, *more: str) -> None:
    """Answer every call, and everything within it."""
    method = request.split(" ")[0]
    if method == "INVITE":
        say(reply(request, 100, "Trying"))
        say(reply(request, 200, "OK", "Contact: <sip:pbx@127.0.0.1>", *more, body=described()))
    elif method != "ACK" and not request.startswith("SIP/2.0"):
        say(reply(request, 200, "OK"))


@contextmanager
def uas(script: Script, transport: str = "UDP", files: tuple[Path, Path] | None = None) -> Iterator[Uas]:
    """Run a server on loopback; `files`: the chain and key of its certificate, for TLS."""
    kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        server = Uas(transport, sock.getsockname()[1])
        run = _datagrams if transport == "UDP" else _connections
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(server, sock, script, files, stop))
        if transport != "UDP":
            sock.listen()
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            thread.join()


def _datagrams(
    server: Uas, sock: socket.socket, script: Script, files: object, stop: threading.Event
) -> None:
    while not stop.is_set():
        if not select.select([sock], [], [], 0.05)[0]:
            continue
        try:
            data, peer = sock.recvfrom(65535)
        except ConnectionRefusedError:
            continue

        def say(text: str, peer: Any = peer) -> None:
            sock.sendto(text.encode(), peer)

        server.say = say
        text = data.decode(errors="replace")
        server.note(text)
        script(text, say)


def _connections(
    server: Uas, sock: socket.socket, script: Script, files: tuple[Path, Path] | None, stop: threading.Event
) -> None:
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
    while not stop.is_set():
        if select.select([sock], [], [], 0.05)[0]:
            connection, _ = sock.accept()
            with suppress(OSError), connection:
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                with connection:
                    _messages(server, connection, script, stop)


def _messages(server: Uas, sock: socket.socket, script: Script, stop: threading.Event) -> None:
    sock.settimeout(0.05)
    data = b""

    def say(text: str) -> None:
        sock.sendall(text.encode())

    server.say = say
    while not stop.is_set():
        try:
            part = sock.recv(65535)
        except TimeoutError:
            continue
        if not part:
            return
        data += part
        while whole := re.match(rb".*?\r\n\r\n", data, re.DOTALL):
            head = whole[0].decode(errors="replace")
            size = len(whole[0]) + int(header(head, "Content-Length") or 0)
            if len(data) < size:
                break
            text, data = data[:size].decode(errors="replace"), data[size:]
            server.note(text)
            script(text, say)
