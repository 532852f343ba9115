"""Make self-signed certificates for daemons to start with. Arguments: {name: [names]}, the ACME webroot.

One that the authority signed and that is still there is put into its place again instead.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

TOP = "/etc/trunkline"
LIVE = "/etc/letsencrypt/live"
DAYS = "3650"


def make(name: str, names: list[str]) -> str:
    """Make a key and a certificate that vouches for itself alone; return their directory."""
    place = f"{TOP}/placeholders/{name}"
    staged = f"{place}.new"
    shutil.rmtree(staged, ignore_errors=True)
    os.makedirs(staged)
    said = ",".join(f"DNS:{each}" for each in names)
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-keyout", f"{staged}/privkey.pem", "-out", f"{staged}/fullchain.pem", "-days", DAYS]
    argv += ["-subj", "/O=Trunkline/CN=placeholder", "-addext", f"subjectAltName={said}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"openssl made no placeholder for {name}: {done.stderr.strip().splitlines()[-1]}")
    os.chmod(f"{staged}/privkey.pem", 0o600)
    shutil.rmtree(place, ignore_errors=True)
    os.rename(staged, place)
    return place


def main() -> None:
    """Make what is asked for, and let the links lead there."""
    asked, webroot = json.loads(sys.argv[1]), sys.argv[2]
    os.umask(0o022)
    os.makedirs(f"{webroot}/.well-known/acme-challenge", exist_ok=True)
    os.makedirs(f"{TOP}/certs", exist_ok=True)
    os.makedirs(f"{TOP}/placeholders", exist_ok=True)
    os.chmod(f"{TOP}/placeholders", 0o700)
    for name, names in asked.items():
        signed = f"{LIVE}/{name}"
        target = signed if os.path.exists(f"{signed}/fullchain.pem") else make(name, names)
        staged = f"{TOP}/certs/{name}.new"
        if os.path.lexists(staged):
            os.unlink(staged)
        os.symlink(target, staged)
        os.rename(staged, f"{TOP}/certs/{name}")


main()
