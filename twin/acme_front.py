"""What answers under the ACME authority's names: TLS by the twin's authority, pebble behind it.

It gives the directory at each address that hosts know it by, and lets every chain lead to the twin's own
authority, which outlives pebble's. Run as `python -m twin.acme_front SPECIFICATION` (JSON, see twin.acme).
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from twin.authority import Authority

PEBBLES_DIRECTORY = "/dir"
CHAIN = "application/pem-certificate-chain"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)
_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Front(ThreadingHTTPServer):
    """One port of the authority."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, specification: dict[str, Any], authority: Authority) -> None:
        self.authority = authority
        self.specification = specification
        self.paths = {(name, path) for name, at, path in specification["directories"] if at == port}
        self.signed: dict[bytes, bytes] = {}
        names = list(dict.fromkeys(name for name, _, _ in specification["directories"]))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.leaf("acme", names))
        self.behind = ssl.create_default_context(cafile=str(authority.certificate))
        super().__init__((specification["address"], port), Passing)

    def get_request(self) -> tuple[Any, Any]:
        """Take a connection; TLS begins in its own thread, so that nobody waits for a slow one."""
        sock, address = super().get_request()
        sock.settimeout(60)
        return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: who breaks off or knows another authority finds it out by itself."""

    def ours(self, chain: bytes) -> bytes:
        """Return a chain whose intermediates are signed by the twin's authority."""
        first, *rest = _PEM.findall(chain)
        for pem in rest:
            if pem not in self.signed:
                self.signed[pem] = self.authority.sign_again(x509.load_pem_x509_certificate(pem))
        return b"".join(
            [first if first.endswith(b"\n") else first + b"\n", *(self.signed[pem] for pem in rest)]
        )


class Passing(BaseHTTPRequestHandler):
    """One request, passed on to pebble with the name it was sent to."""

    protocol_version = "HTTP/1.1"
    server: Front

    def do_GET(self) -> None:
        """Pass a GET."""
        self._pass()

    def do_HEAD(self) -> None:
        """Pass a HEAD: newNonce (RFC 8555, section 7.2)."""
        self._pass()

    def do_POST(self) -> None:
        """Pass a signed request."""
        self._pass()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        host = self.headers.get("Host", "")
        path = self.path
        if (urlsplit(f"//{host}").hostname, path) in self.server.paths and self.command != "POST":
            path = PEBBLES_DIRECTORY
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        address, port, _ = self.server.specification["pebble"]
        pebble = http.client.HTTPSConnection(address, port, timeout=60, context=self.server.behind)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
        pebble.request(self.command, path, body or None, headers)
        answer = pebble.getresponse()
        text = answer.read()
        if answer.headers.get_content_type() == CHAIN:
            text = self.server.ours(text)
        if "/my-account/" in (location := answer.headers.get("Location", "")):
            with open(self.server.specification["accounts"], "a") as known:
                known.write(f"{location}\n")
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header(
            "Content-Length", answer.headers.get("Content-Length", "0") if not text else str(len(text))
        )
        self.end_headers()
        self.wfile.write(text)


def main(text: str) -> None:
    """Serve for ever."""
    specification = json.loads(text)
    Path(specification["accounts"]).write_text("")
    authority = Authority(specification["twin"])
    ports = dict.fromkeys(port for _, port, _ in specification["directories"])
    fronts = [Front(port, specification, authority) for port in ports]
    threads = [threading.Thread(target=front.serve_forever) for front in fronts]
    for thread in threads:
        thread.start()
    Path(specification["ready"]).touch()


if __name__ == "__main__":
    main(sys.argv[1])
