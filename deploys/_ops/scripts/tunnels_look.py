"""Tell what ESP can be done with and whether the tunnels hold their files. No argument."""

from __future__ import annotations

import json
import os
import subprocess

PROGRAMS = ("/usr/local/lib/trunkline/tunnels", "/usr/local/lib/trunkline/strongswan")
STATE = (
    "unshare --net ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode tunnel "
    f"enc cbc(aes) 0x{'00' * 32} auth-trunc hmac(sha256) 0x{'00' * 32} 128"
)
"""An ESP state in a network of its own, which goes with the command."""


def works(*argv: str) -> bool:
    """Say whether a command succeeds."""
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> None:
    """Print everything as one object."""
    tunnels, charon = (os.path.exists(path) and works(path, "check") for path in PROGRAMS)
    print(json.dumps({"esp": works(*STATE.split()), "tunnels": tunnels, "charon": charon}))


main()
