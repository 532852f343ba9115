"""Puts baked images into a registry that lacks them (OCI distribution specification).

Run in a network where the registry's name is known: `python -m twin.images.push HOST CA < images`, a line of
JSON an image: [repository, [tags], directory]. Prints a line for each image that it pushed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

from twin.images.bake import TYPES

SECONDS = 60
LAYER, CONFIG, MANIFEST = "layer.tar.gz", "config.json", "manifest.json"


class Refused(Exception):
    """The registry did not take something."""


class Registry:
    """A connection to a registry."""

    def __init__(self, host: str, ca: str) -> None:
        context = ssl.create_default_context(cafile=ca)
        self._connection = http.client.HTTPSConnection(host, timeout=SECONDS, context=context)

    def ask(
        self, method: str, path: str, body: bytes | Path | None = None, kind: str = ""
    ) -> tuple[int, str]:
        """Return an answer's status and what it names: the place to go on at, or the content's digest."""
        headers = {"Content-Type": kind} if kind else {}
        if method == "HEAD":
            headers["Accept"] = TYPES["manifest"]
        if isinstance(body, Path):
            headers["Content-Length"] = str(body.stat().st_size)
            with body.open("rb") as file:
                self._connection.request(method, path, file, headers)
        else:
            self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        named = answer.headers.get("Location") or answer.headers.get("Docker-Content-Digest")
        return answer.status, named or ""

    def push(self, repository: str, tags: list[str], directory: Path) -> bool:
        """Put an image there under its tags; say whether it was not under one of them."""
        data = (directory / MANIFEST).read_bytes()
        there = (200, f"sha256:{hashlib.sha256(data).hexdigest()}")
        lacking = [tag for tag in tags if self.ask("HEAD", f"/v2/{repository}/manifests/{tag}") != there]
        if not lacking:
            return False
        manifest = json.loads(data)
        self._blob(repository, manifest["config"]["digest"], directory / CONFIG)
        self._blob(repository, manifest["layers"][0]["digest"], directory / LAYER)
        for tag in lacking:
            path = f"/v2/{repository}/manifests/{tag}"
            self._expect(201, *self.ask("PUT", path, data, TYPES["manifest"]), path)
        return True

    def _blob(self, repository: str, digest: str, file: Path) -> None:
        if self.ask("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return
        begin = f"/v2/{repository}/blobs/uploads/"
        status, place = self.ask("POST", begin, b"")
        self._expect(202, status, place, begin)
        parts = urlsplit(place)
        path = f"{parts.path}?{parts.query + '&' if parts.query else ''}digest={digest}"
        self._expect(201, *self.ask("PUT", path, file, "application/octet-stream"), path)

    @staticmethod
    def _expect(wanted: int, status: int, place: str, path: str) -> None:
        if status != wanted:
            raise Refused(f"it answers {status} to {path.partition('?')[0]}")


def main(host: str, ca: str) -> int:
    """Push what stdin names."""
    try:
        registry = Registry(host, ca)
        for line in sys.stdin:
            repository, tags, directory = json.loads(line)
            if registry.push(repository, tags, Path(directory)):
                print(f"{repository}:{tags[0]}", flush=True)
    except (OSError, http.client.HTTPException, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
