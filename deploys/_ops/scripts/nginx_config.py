"""Ask nginx which configuration it runs with. Arguments: its own address, the digest that it must say."""

from __future__ import annotations

import http.client
import sys


def main() -> None:
    """End with 0 when nginx says the digest; SystemExit with what it says instead."""
    connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=3)
    try:
        connection.request("GET", "/")
        said = connection.getresponse().read(64).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"nginx does not answer on {sys.argv[1]}: {error}; look at /var/log/nginx/error.log")
    if said != sys.argv[2]:
        sys.exit(f"nginx runs with {said!r}, not with {sys.argv[2]}; look at /var/log/nginx/error.log")


main()
