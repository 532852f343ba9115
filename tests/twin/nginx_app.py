"""An application behind nginx for tests: tells what it was asked, dawdles, echoes, has headers of its own.

Runs on a host. Argument: its port.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 1.3."""


class Answers(BaseHTTPRequestHandler):
    """What every request gets."""

    protocol_version = "HTTP/1.1"
    server_version = "Leaky/9.9"
    timeout = 30

    def do_GET(self) -> None:
        """Answer, late where /slow is asked for, as a websocket where that is asked for."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.echo()
            return
        if "/slow" in self.path:
            time.sleep(3)
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(404 if "/absent" in self.path else 200)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": "default-src *",
            "X-Powered-By": "leaks",
            "X-Frame-Options": "SAMEORIGIN",
            "Cache-Control": "private",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET

    def echo(self) -> None:
        """Give back what comes over a websocket, byte for byte after the handshake."""
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + GUID).digest()).decode())
        self.end_headers()
        while said := self.connection.recv(4096):
            self.connection.sendall(said)
        self.close_connection = True


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
