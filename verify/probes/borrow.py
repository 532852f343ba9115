"""Look from an address that is used once: what a host remembers of it harms nobody else."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address


@contextlib.contextmanager
def borrowed(address: str | None) -> Iterator[str | None]:
    """Add an address to the interface of the default route for a while (needs CAP_NET_ADMIN).

    Only in a network of one's own, where that address is routed to. Raises OSError when it cannot be added.
    """
    if address is None:
        yield None
        return
    version = ip_address(address).version
    routes = json.loads(_ip("-j", f"-{version}", "route", "show", "default") or "[]")
    if not routes:
        raise OSError(f"there is no default route for {address} to be used on")
    place = (f"{address}/{32 if version == 4 else 128}", "dev", routes[0]["dev"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the address would stay behind
    _ip("address", "add", *place, *(("nodad",) if version == 6 else ()))
    try:
        yield address
    finally:
        with contextlib.suppress(OSError):
            _ip("address", "del", *place)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
