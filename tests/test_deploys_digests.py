"""What references mean, asked of a real registry's API over TLS, and what is said when it does not answer."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SCRIPT = Path(__file__).resolve().parent.parent / "deploys/_ops/scripts/digests.py"
MANIFEST = b'{"schemaVersion": 2}'
MEANT = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


class Registry(BaseHTTPRequestHandler):
    """A registry that wants a token for what is private and tells no digest for what is plain."""

    asked: list[str]

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer as to GET, without a body."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer a question for a manifest or a token."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        port = self.server.server_address[1]
        if self.path.startswith("/token?"):
            return self._send(200, b'{"token": "let-me-in"}')
        if "/private/" in self.path and self.headers.get("Authorization") != "Bearer let-me-in":
            scope = f'service="it",scope="repository:{self.path.split("/")[2]}:pull"'
            realm = f'Bearer realm="https://127.0.0.1:{port}/token",{scope}'
            return self._send(401, b"{}", {"WWW-Authenticate": realm})
        if "/busy/" in self.path:
            return self._send(429, b"{}")
        if "/none/" in self.path:
            return self._send(404, b"{}")
        told = {} if "/plain/" in self.path else {"Docker-Content-Digest": MEANT}
        return self._send(200, MANIFEST if body else b"", told)

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")


def certificate(directory: Path) -> Path:
    """Write a certificate for 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "registry.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A registry's name, and the environment in which its certificate is trusted."""
    pem = certificate(tmp_path)
    Registry.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", {**os.environ, "SSL_CERT_FILE": str(pem)}
    server.shutdown()
    server.server_close()


def asked(references: list[str], environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the script's answer."""
    argv = [sys.executable, "-", json.dumps(references)]
    done = subprocess.run(
        argv, input=SCRIPT.read_text(), env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_a_reference_means_what_its_registry_says(registry: tuple[str, dict[str, str]]) -> None:
    host, environment = registry
    assert asked([f"{host}/shop/api:1"], environment) == {
        "digests": {f"{host}/shop/api:1": MEANT},
        "problems": {},
    }
    assert Registry.asked == ["HEAD /v2/shop/api/manifests/1"]


def test_a_registry_that_wants_a_token_gets_one(registry: tuple[str, dict[str, str]]) -> None:
    host, environment = registry
    assert asked([f"{host}/private/api:1"], environment)["digests"] == {f"{host}/private/api:1": MEANT}
    assert Registry.asked[1] == "GET /token?service=it&scope=repository%3Aprivate%3Apull"


def test_a_registry_that_names_no_digest_is_taken_at_its_manifest(
    registry: tuple[str, dict[str, str]],
) -> None:
    host, environment = registry
    assert asked([f"{host}/plain/api:1"], environment)["digests"] == {f"{host}/plain/api:1": MEANT}


def test_a_digest_needs_no_registry() -> None:
    reference = f"redis@{MEANT}"
    assert asked([reference], dict(os.environ))["digests"] == {reference: MEANT}


def test_what_has_no_answer_is_said_and_what_has_is_there(registry: tuple[str, dict[str, str]]) -> None:
    host, environment = registry
    names = ["none/api:1", "busy/api:1", "shop/api:1"]
    answer = asked([f"{host}/{name}" for name in names] + ["127.0.0.1:1/api:1"], environment)
    assert list(answer["digests"]) == [f"{host}/shop/api:1"]
    said = answer["problems"]
    assert said[f"{host}/none/api:1"] == f"{host} has no such image, or does not show it to everybody (404)"
    assert "has asked too often (429)" in said[f"{host}/busy/api:1"]
    assert "127.0.0.1:1 cannot be reached" in said["127.0.0.1:1/api:1"]


def test_a_registry_whose_certificate_is_not_trusted_is_not_believed(
    registry: tuple[str, dict[str, str]],
) -> None:
    host, _ = registry
    (said,) = asked([f"{host}/shop/api:1"], dict(os.environ))["problems"].values()
    assert "certificate verify failed" in said
