"""Tell which configuration nginx runs with, and which releases of each site are there."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from typing import Any

SITES = "/srv/trunkline/sites"
OWN_ADDRESS = "127.0.0.80"


def config() -> str | None:
    """Return what nginx says of itself; None when it does not run, or not with our configuration."""
    connection = http.client.HTTPConnection(OWN_ADDRESS, 80, timeout=3)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.read(64).decode(errors="replace") if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None


def target(link: str) -> str | None:
    """Return the release that a link leads to; None when it leads nowhere."""
    try:
        return os.path.basename(os.readlink(link)) if os.path.isdir(link) else None
    except OSError:
        return None


def digest(release: str) -> str:
    """Return what a release must be called by what is in it: who changed it by hand is found out."""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(release) for name in names)
    whole = hashlib.sha256()
    for name, path in sorted((os.path.relpath(path, release), path) for path in paths):
        with open(path, "rb") as file:
            content = file.read()
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]


def site(top: str) -> dict[str, Any]:
    """Return a site's releases that are as they were shipped, and which of them are served."""
    releases = f"{top}/releases"
    names = sorted(os.listdir(releases)) if os.path.isdir(releases) else []
    whole = [name for name in names if name == digest(f"{releases}/{name}")]
    return {"current": target(f"{top}/current"), "previous": target(f"{top}/previous"), "releases": whole}


def main() -> None:
    """Print everything as one object."""
    names = os.listdir(SITES) if os.path.isdir(SITES) else []
    print(json.dumps({"config": config(), "sites": {name: site(f"{SITES}/{name}") for name in names}}))


main()
