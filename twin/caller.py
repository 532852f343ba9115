"""Calls the hosts from an office, as the next packet of a phone would: what is not up is begun again.

Run as `python -m twin.caller DIRECTORY`: the directory has the daemon's socket and `calls.json`, which says
which children each connection has.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from control.errors import TrunklineError
from twin.associations import GONE, associations
from twin.vici import Vici, vici

SOCKET = "charon.vici"
CALLS = "calls.json"
PACE = 5.0
"""Seconds from one look to the next."""


def call(daemon: Vici, calls: dict[str, list[str]]) -> None:
    """Begin every child that is neither up nor on its way; return at once."""
    sas = associations(daemon.stream("list-sas", "list-sa"))
    for name, children in calls.items():
        mine = [sa for sa in sas if sa.name == name]
        if any(sa.state == "CONNECTING" for sa in mine):
            continue
        there = {child.name for sa in mine for child in sa.children if child.state not in GONE}
        for child in children:
            if child not in there:
                daemon.ask("initiate", {"ike": name, "child": child, "timeout": "-1"})


def main(directory: Path) -> None:
    """Call for ever; a gateway that is down is called from again when it is back."""
    while True:
        with suppress(OSError, ValueError, TrunklineError), vici(directory / SOCKET) as daemon:
            call(daemon, json.loads((directory / CALLS).read_text()))
        time.sleep(PACE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
