"""References to images, and the images that a Dockerfile begins with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from twin.outside import HUB

_FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_ARG = re.compile(r"^ARG\s+(\w+)(?:=(\S*))?\s*$", re.IGNORECASE)
_COPY = re.compile(r"^COPY\s+(?:--\S+\s+)*--from=(\S+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


class Reference(NamedTuple):
    """An image in a registry: `registry` is empty for Docker Hub; `version` is a tag or a digest."""

    registry: str
    repository: str
    version: str

    @classmethod
    def of(cls, text: str) -> Reference:
        """Read a reference as people write it: redis:7-alpine is library/redis on Docker Hub."""
        first, slash, rest = text.partition("/")
        registry, path = (first, rest) if slash and re.search(r"[.:]|^localhost$", first) else ("", text)
        name, at, digest = path.partition("@")
        repository, _, tag = name.partition(":")
        if registry in HUB:
            registry = ""
        if not registry and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, digest if at else tag or "latest")

    def __str__(self) -> str:
        mark = "@" if ":" in self.version else ":"
        return f"{self.registry + '/' if self.registry else ''}{self.repository}{mark}{self.version}"


def bases(dockerfile: str, args: Mapping[str, str]) -> tuple[str, ...]:
    """Return the images that a Dockerfile takes from a registry, as it names them, with `args` put in.

    Only what stands before the first FROM, and the build's own args, may be used there (Dockerfile
    reference, FROM).
    """
    lines = [line.strip() for line in dockerfile.replace("\\\n", " ").splitlines()]
    return tuple(dict.fromkeys(_bases(lines, args)))


def _bases(lines: list[str], args: Mapping[str, str]) -> Iterator[str]:
    known: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    for line in lines:
        if (arg := _ARG.match(line)) and stages == {"scratch"}:
            known[arg[1]] = args.get(arg[1], arg[2] or "")
        elif begin := _FROM.match(line):
            image = _VARIABLE.sub(lambda m: known.get(m[1] or m[3]) or m[2] or "", begin[1])
            if image and image not in stages:  # the builder refuses one that no arg gives a name
                yield image
            stages.add(begin[2] or begin[1])
        elif (copy := _COPY.match(line)) and copy[1] not in stages and not copy[1].isdigit():
            yield copy[1]
