"""What a TLS server may take: Mozilla's guideline 6.0, intermediate."""

from __future__ import annotations

from inventories.model import Release

VERSIONS = ("TLSv1.2", "TLSv1.3")
CIPHERS = {
    "TLSv1.3": frozenset(
        {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
    ),
    "TLSv1.2": frozenset(
        f"ECDHE-{key}-{rest}"
        for key in ("ECDSA", "RSA")
        for rest in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    ),
}
HYBRID = "X25519MLKEM768"
CLASSIC = ("x25519", "secp256r1", "secp384r1")
REFERRER = frozenset({"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"})
"""Policies that tell another site no more than where one came from."""
OPENER = frozenset({"same-origin", "same-origin-allow-popups"})
"""Cross-Origin-Opener-Policy: a page that somebody else opened is out of their reach."""
WARN_SHARE, LEAST_SHARE = 1 / 3, 1 / 6
"""Share of a certificate's lifetime that is left. Certbot renews at a third; half of that has been failing
for a sixth of the lifetime: 15 days of 90, a day of six."""


def groups(release: Release) -> tuple[str, ...]:
    """Return the groups that a host of this release offers, the preferred one first."""
    return ((HYBRID,) if release.post_quantum_tls else ()) + CLASSIC
