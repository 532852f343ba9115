"""The HTTP probe tells statuses, headers, redirects, access and upgrades as they are, in bounded time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tls_server import Authority, authority, openssl_server
from verify.probes.exchange import GUID, Request, exchange
from verify.probes.http import access, redirects

TOP = Path(__file__).resolve().parent.parent
TEXT = b"a page of text " * 200
PASSWORD = "correct horse"


class Site(BaseHTTPRequestHandler):
    """A small site with what is to be seen."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer by path."""
        answer = {
            "/packed": lambda: self.say(
                200, gzip.compress(TEXT), ("Content-Encoding", "gzip"), ("Vary", "x")
            ),
            "/broken": lambda: self.say(200, b"no gzip at all", ("Content-Encoding", "gzip")),
            "/away": lambda: self.say(301, b"", ("Location", "/packed?from=away")),
            "/circle": lambda: self.say(302, b"", ("Location", "/circle")),
            "/twice": lambda: self.say(
                200, b"x", ("X-Frame-Options", "DENY"), ("X-Frame-Options", "SAMEORIGIN")
            ),
            "/secret": self.secret,
            "/ws": self.upgrade,
            "/drip": self.drip,
            "/host": lambda: self.say(200, str(self.headers["Host"]).encode()),
        }.get(self.path.partition("?")[0])
        answer() if answer else self.say(404, b"nothing here")

    do_POST = do_GET

    def say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def secret(self) -> None:
        """Let in who knows the password."""
        wanted = base64.b64encode(f"crm:{PASSWORD}".encode()).decode()
        known = self.headers["Authorization"] == f"Basic {wanted}"
        self.say(200 if known else 401, b"", *(() if known else (("WWW-Authenticate", 'Basic realm="x"'),)))

    def upgrade(self) -> None:
        """Switch to WebSocket, or pretend to."""
        key = (self.headers["Sec-WebSocket-Key"] + GUID).encode()
        digest = base64.b64encode(hashlib.sha1(key).digest()).decode()
        self.send_response(101)
        accept = "wrong" if "wrong" in self.path else digest
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept),
        ):
            self.send_header(name, value)
        self.end_headers()

    def drip(self) -> None:
        """Send a byte now and then, for ever."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def url(path: str) -> str:
    """Return an address of the site by a name that no DNS knows."""
    return f"http://shop.test{path}"


def test_a_name_is_asked_at_a_given_address(site: int) -> None:
    reply = exchange(Request(url("/host"), keep=True), "127.0.0.1", port=site)
    assert (reply.status, reply.text) == (200, "shop.test")


def test_a_packed_body_is_measured_as_sent_and_hashed_as_meant(site: int) -> None:
    reply = exchange(Request(url("/packed")), "127.0.0.1", port=site)
    assert reply.bytes < len(TEXT)
    assert reply.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert reply.text == ""


def test_a_header_that_is_sent_twice_stands_twice(site: int) -> None:
    reply = exchange(Request(url("/twice")), "127.0.0.1", port=site)
    assert reply.values("X-Frame-Options") == ("DENY", "SAMEORIGIN")


def test_redirects_are_followed_to_their_end_and_circles_end(site: int) -> None:
    hops = redirects(Request(url("/away")), "127.0.0.1", port=site)
    assert [hop.url for hop in hops][:2] == [url("/away"), url("/packed?from=away")]
    assert len(redirects(Request(url("/circle")), "127.0.0.1", port=site)) <= 12


def test_access_is_tried_without_with_a_wrong_and_with_the_right_password(site: int) -> None:
    seen = access(Request(url("/secret"), user="crm", password=PASSWORD), "127.0.0.1", port=site)
    assert {who: reply.status for who, reply in seen.items()} == {"none": 401, "wrong": 401, "right": 200}


def test_a_websocket_counts_only_with_the_right_answer_to_its_key(site: int) -> None:
    assert exchange(Request(url("/ws"), websocket=True), "127.0.0.1", port=site).upgraded
    wrong = exchange(Request(url("/ws?wrong"), websocket=True), "127.0.0.1", port=site)
    assert (wrong.status, wrong.upgraded) == (101, False)


def test_a_peer_that_drips_is_cut_off_in_time(site: int) -> None:
    began = time.monotonic()
    reply = exchange(Request(url("/drip")), "127.0.0.1", port=site, timeout=0.6)
    assert time.monotonic() - began < 1.5
    assert (reply.status, reply.error) == (0, "no whole answer within 1 s")


def test_what_cannot_be_read_or_reached_is_an_error_and_no_exception(site: int) -> None:
    assert "gzip" in exchange(Request(url("/broken")), "127.0.0.1", port=site).error
    assert exchange(Request(url("/")), "127.0.0.1", port=1).error == "no connection: Connection refused"
    assert exchange(Request(url("/a b")), "127.0.0.1", port=site).error


def test_a_password_is_never_printed(site: int) -> None:
    assert PASSWORD not in repr(Request(url("/"), user="crm", password=PASSWORD))


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def test_a_certificate_is_judged_unless_it_is_not_to_be_and_always_before_a_password(ca: Authority) -> None:
    with openssl_server(*ca.leaf("shop.test")) as port:
        ask = Request("https://shop.test/")
        assert exchange(ask, "127.0.0.1", port=port, ca=ca.ca).status == 200
        assert "not trusted" in exchange(ask, "127.0.0.1", port=port).error
        assert exchange(ask, "127.0.0.1", port=port, trusting=True).status == 200
        secret = Request("https://shop.test/", user="crm", password=PASSWORD)
        assert "not trusted" in exchange(secret, "127.0.0.1", port=port, trusting=True).error


def test_a_batch_is_read_from_stdin(site: int) -> None:
    asked = [
        {"url": url("/secret"), "label": "in", "user": "crm", "password": PASSWORD},
        {"url": url("/none")},
    ]
    argv = [sys.executable, "-m", "verify.probes.http", "127.0.0.1", "--port", str(site), "--batch"]
    done = subprocess.run(argv, cwd=TOP, input=json.dumps(asked), capture_output=True, text=True, check=True)
    replies = json.loads(done.stdout)["replies"]
    assert [(each["label"], each["status"]) for each in replies] == [("in", 200), ("", 404)]
    assert PASSWORD not in done.stdout
