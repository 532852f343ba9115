"""A certificate authority, certificates, and OpenSSL's own server with them on loopback."""

from __future__ import annotations

import datetime
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A root, an intermediate below it, and a directory for their files."""

    directory: Path
    root: x509.Certificate
    middle: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def ca(self) -> str:
        """The root alone."""
        return str(write(self.directory / "ca.pem", self.root))

    def leaf(
        self, *names: str, days: float = 90, age: float = 0, chain: bool = True, label: str = "leaf"
    ) -> tuple[Path, Path]:
        """Make a certificate without a subject; return the files of its chain and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        held = _certificate("", key, self.middle, self.key, days=days, age=age, names=names)
        above = (self.middle,) if chain else ()
        path = write(self.directory / f"{label}.pem", held, *above)
        write(self.directory / f"{label}.above", *above)
        private = self.directory / f"{label}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path, private


def authority(directory: Path) -> Authority:
    """Make a root and an intermediate."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("root", root_key, None, root_key)
    return Authority(directory, root, _certificate("middle", key, root, root_key), key)


def write(path: Path, *certificates: x509.Certificate) -> Path:
    """Write certificates as PEM, one behind the other."""
    path.write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates))
    return path


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
    *,
    days: float = 90,
    age: float = 0,
    names: tuple[str, ...] = (),
) -> x509.Certificate:
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=age)
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(issuer.subject if issuer else called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=True)
    return builder.sign(signer, hashes.SHA256())


@contextmanager
def openssl_server(chain: Path, key: Path, *options: str) -> Iterator[int]:
    """Run `openssl s_server` on loopback and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(chain), "-key", str(key)]
    above = chain.with_suffix(".above")
    argv += ["-cert_chain", str(above)] if above.stat().st_size else []
    argv += ["-www", "-quiet", *options]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, **quiet) as server:  # type: ignore[call-overload]
        try:
            _wait(port, server)
            yield port
        finally:
            server.terminate()


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        assert server.poll() is None, server.stderr and server.stderr.read()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("openssl s_server does not listen")
