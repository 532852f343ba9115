"""Tell which configuration nginx runs with, and which releases of each site are there."""

from __future__ import annotations

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


def site(top: str) -> dict[str, Any]:
    """Return a site's releases and which of them are served."""
    try:
        releases = sorted(name for name in os.listdir(f"{top}/releases") if "." not in name)
    except OSError:
        releases = []
    return {"current": target(f"{top}/current"), "previous": target(f"{top}/previous"), "releases": releases}


def main() -> None:
    """Print everything as one object."""
    names = os.listdir(SITES) if os.path.isdir(SITES) else []
    print(json.dumps({"config": config(), "sites": {name: site(f"{SITES}/{name}") for name in names}}))


main()
