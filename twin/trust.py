"""The trust store of a host: the twin's authority among the public ones, as update-ca-certificates has it."""

from __future__ import annotations

from pathlib import Path

from twin.command import command

OWN = "usr/local/share/ca-certificates/trunkline-twin.crt"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def trust(upper: Path, image: Path, authority: str) -> None:
    """Put an authority (PEM) into what lies over an image, where the programs of a host look for it."""
    own, bundle = upper / OWN, upper / BUNDLE
    for path in (own, bundle):
        path.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(authority)
    bundle.write_text((image / BUNDLE).read_text() + authority)
    link = bundle.with_name(own.with_suffix(".pem").name)
    link.symlink_to(f"/{OWN}")
    digest = command("openssl", "x509", "-noout", "-subject_hash", feed=authority).strip()
    bundle.with_name(f"{digest}.0").symlink_to(link.name)
