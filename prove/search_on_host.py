"""Look for markers on a host: as anybody there may, where things are told, and where they are meant to be.

Runs there as root, with its own python3 alone: Python 3.10 and its standard library. Takes from stdin what to
look for, and below which directories; prints where it was found by name, never a marker itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

NOBODY = 65534
JOURNAL = "the journal"
NOT_TEXT = ("/var/log/journal", "/run/log/journal", "/run/systemd/nspawn")
"""The journal is asked for its entries instead; the last is the twin's own road into the host."""

Found = dict[str, list[str]]


class Search:
    """What was looked for, and where it was found."""

    def __init__(self, markers: Mapping[str, Sequence[str]]) -> None:
        self.markers = {name: [form.encode() for form in forms] for name, forms in markers.items()}
        self.files = 0

    def below(self, places: Iterable[Sequence[str]]) -> Found:
        """Look into every file that can be read below these: a directory, and how the names end there."""
        found: Found = {}
        for top, *endings in places:
            for path in files(top):
                if not endings or path.endswith(tuple(endings)):
                    self.look(found, path)
        return found

    def look(self, found: Found, path: str) -> None:
        """Look into one file."""
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            return
        self.files += 1
        self.see(found, path, data)

    def see(self, found: Found, where: str, data: bytes) -> None:
        """Note what stands in some data."""
        for name, forms in self.markers.items():
            if any(form in data for form in forms):
                found.setdefault(name, []).append(where)


def files(top: str) -> Iterator[str]:
    """Yield the files below a directory, as far as it may be entered."""
    for directory, names, leaves in os.walk(top):
        names[:] = [name for name in names if os.path.join(directory, name) not in NOT_TEXT]
        for path in (os.path.join(directory, leaf) for leaf in leaves):
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


@contextmanager
def nobody() -> Iterator[None]:
    """Be nobody for a while: what can be read then, everybody can read."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def main() -> None:
    """Search, and print what was found."""
    asked = json.load(sys.stdin)
    search = Search(asked["markers"])
    with nobody():
        public = search.below(asked["public"])
    told = search.below(asked["told"])
    export = ["journalctl", "-o", "export", "--all"]
    search.see(told, JOURNAL, subprocess.run(export, stdout=subprocess.PIPE, check=True).stdout)
    looked = search.files
    held = search.below(asked["held"])
    print(json.dumps({"public": public, "told": told, "held": sorted(held), "files": looked}))


if __name__ == "__main__":
    main()
