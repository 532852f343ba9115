"""nginx's configuration as `nginx -T` prints it: read as a tree, with what each block inherits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch

TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<word>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\\.|\$\{|[^\s;{}])+)"""
)
FILE = re.compile(r"(?m)^# configuration file (/\S+):$")
DEPTH = 12


@dataclass(frozen=True)
class Block:
    """A directive, and what stands in its braces."""

    name: str
    words: tuple[str, ...] = ()
    inside: tuple[Block, ...] = ()
    above: tuple[Block, ...] = field(default=(), repr=False, compare=False)
    """The blocks around it, the outermost first."""

    @property
    def title(self) -> str:
        """The directive as a person writes it."""
        return " ".join((self.name, *self.words))

    def own(self, name: str) -> tuple[Block, ...]:
        """Return the directives of this name that stand in this very block."""
        return tuple(each for each in self.inside if each.name == name)

    def effective(self, name: str) -> tuple[Block, ...]:
        """Return the directives of this name that hold here: its own, else those of the nearest block around.

        So nginx inherits add_header, client_max_body_size, auth_basic and most others.
        """
        return next((own for each in (self, *reversed(self.above)) if (own := each.own(name))), ())

    def every(self, *names: str) -> Iterator[Block]:
        """Yield all blocks of these names within, however deep."""
        for each in self.inside:
            if each.name in names:
                yield each
            yield from each.every(*names)


def read(printed: str) -> Block:
    """Read what `nginx -T` printed, each include in its place. Raises ValueError where it breaks."""
    parts = FILE.split(printed)
    files = dict(zip(parts[1::2], parts[2::2], strict=True))
    if not files:
        raise ValueError("nginx -T printed no configuration file")
    main = next(iter(files))
    return _nested(Block("main", (), tuple(_directives(files, main, 0))), ())


def _nested(block: Block, above: tuple[Block, ...]) -> Block:
    """Tell each block what is around it."""
    shell = Block(block.name, block.words, block.inside, above)
    inside = tuple(_nested(each, (*above, shell)) for each in block.inside)
    return Block(block.name, block.words, inside, above)


def _directives(files: dict[str, str], path: str, depth: int) -> list[Block]:
    if depth > DEPTH:
        raise ValueError(f"{path} includes too deep")
    words = [found for match in TOKEN.finditer(files[path]) if (found := match.group("word"))]
    blocks, rest = _block(files, words, 0, path, depth)
    if rest != len(words):
        raise ValueError(f"{path} closes a block that it never opened")
    return blocks


def _block(
    files: dict[str, str], words: list[str], at: int, path: str, depth: int
) -> tuple[list[Block], int]:
    found: list[Block] = []
    line: list[str] = []
    while at < len(words):
        word = words[at]
        if word == "}":
            break
        at += 1
        if word == ";" and line:
            found += _included(files, line, path, depth) if line[0] == "include" else [_plain(line)]
            line = []
        elif word == "{" and line:
            inside, at = _block(files, words, at, path, depth)
            if at >= len(words):
                raise ValueError(f"{path}: {line[0]} is never closed")
            at += 1
            found.append(Block(_bare(line[0]), tuple(_bare(each) for each in line[1:]), tuple(inside)))
            line = []
        elif word not in ";{":
            line.append(word)
    return found, at


def _plain(line: list[str]) -> Block:
    return Block(_bare(line[0]), tuple(_bare(each) for each in line[1:]))


def _included(files: dict[str, str], line: list[str], path: str, depth: int) -> list[Block]:
    pattern = _bare(line[1])
    if not pattern.startswith("/"):
        pattern = f"/etc/nginx/{pattern}"
    named = sorted(each for each in files if fnmatch(each, pattern))
    return [block for each in named if each != path for block in _directives(files, each, depth + 1)]


def _bare(word: str) -> str:
    """Return a word without its quotes."""
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[0] in "\"'" and word[-1] == word[0] else word
