#!/usr/bin/python3 -I
"""Put a certificate of the authority into force, and prove it on the socket. Certbot's deploy hook.

Made by Trunkline. RENEWED_LINEAGE names the certificate's directory (Certbot's documentation, "renew").
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time

DECLARED = "/etc/trunkline/certificates.json"
TOP = "/etc/trunkline/certs"
PATIENCE = 20
"""Seconds in which the new certificate must be on the socket; an old worker may still take a connection."""


def relink(name: str, target: str) -> str:
    """Let daemons find the target under the certificate's name; return where they found it before."""
    place = f"{TOP}/{name}"
    before = os.readlink(place) if os.path.islink(place) else ""
    staged = f"{place}.new"
    if os.path.lexists(staged):
        os.unlink(staged)
    os.symlink(target, staged)
    os.rename(staged, place)
    return before


def first(path: str) -> str:
    """Return the fingerprint of a file's first certificate."""
    with open(path) as file:
        text = file.read()
    end = "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)])).hexdigest()


def served(name: str) -> str:
    """Return the fingerprint of what nginx shows to a client that asks for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", 443), 5)
    with plain, context.wrap_socket(plain, server_hostname=name) as connection:
        return hashlib.sha256(connection.getpeercert(True) or b"").hexdigest()


def said(*argv: str) -> str:
    """Return nothing when a command succeeds, else its last words."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    words = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no word"]
    return f"{' '.join(argv)}: {words[-1]}" if done.returncode else ""


def wait_until_served(names: list[str], wanted: str) -> str:
    """Return nothing as soon as every name shows the certificate, else the name that does not."""
    end = time.monotonic() + PATIENCE
    for name in names:
        while True:
            try:
                wrong = "" if served(name) == wanted else "another certificate is served"
            except OSError as error:
                wrong = f"no handshake ({error})"
            if not wrong:
                break
            if time.monotonic() > end:
                return f"{name}: {wrong}"
            time.sleep(0.2)
    return ""


def main() -> None:
    """Link, test, reload, prove; SystemExit when the socket does not show it. A refused link goes back."""
    lineage = os.environ["RENEWED_LINEAGE"]
    name = os.path.basename(lineage.rstrip("/"))
    with open(DECLARED) as file:
        known = json.load(file)["certificates"].get(name)
    if known is None:
        return
    before = relink(name, lineage)
    for argv in known.get("tell", ()):
        if wrong := said(*argv):
            sys.exit(f"{name}: the new certificate is not in force: {wrong}")
    if not known["served"]:
        return
    wrong = said("nginx", "-t", "-q")
    if wrong and before:
        relink(name, before)
    wrong = wrong or said("systemctl", "reload", "nginx.service")
    wrong = wrong or wait_until_served(known["served"], first(f"{lineage}/fullchain.pem"))
    if wrong:
        sys.exit(f"{name}: the new certificate is not in force: {wrong}")


main()
