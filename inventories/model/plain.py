"""Secrets in plain text: found by what they are called and how they look, and never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.compose import Compose, Container
    from inventories.model.host import Host

SECRET = frozenset(
    ("PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "TOKEN", "KEY", "APIKEY", "CREDENTIALS")
)
"""Words in the name of a variable whose value is nobody's business."""
LONG = tuple(word for word in SECRET if len(word) >= 5)
"""Those of them that are also the end of a longer word, such as PGPASSWORD."""
HARMLESS = frozenset(
    (
        *("FILE", "PATH", "DIR", "NAME", "HEADER", "PREFIX", "ALGORITHM", "URL", "TYPE", "LENGTH"),
        *("LIFETIME", "EXPIRY", "EXPIRE", "SECONDS", "MINUTES", "HOURS", "DAYS"),
    )
)
"""Last words that say something about the secret instead of it."""
LOOKS = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|\bpassword\s*=\s*[^\s&;]|-----BEGIN [A-Z ]*PRIVATE KEY-----", re.IGNORECASE
)
"""A user's password in a URL (RFC 3986, section 3.2.1), libpq's keyword, a PEM key."""


def lint_plain(compose: Compose, host: Host, place: str, container: Container) -> Iterator[Problem]:
    """Yield the variables, build arguments and commands of a service that hold a secret."""
    for name, value in container.environment.items():
        if isinstance(value, str) and value and is_secret(name, value):
            yield compose.problem(
                host,
                f"{place}.environment[{name}]",
                "what looks like a secret stands here in plain text",
                "a reference to a secret",
                f'write Secret(name="{name.lower().strip("_")}"), and give a new value to'
                " `invoke secrets.set NAME`; what stood here is no secret any more",
            )
    if not isinstance(container.image, str):
        for name, value in container.image.args.items():
            if value and is_secret(name, value):
                yield compose.problem(
                    host,
                    f"{place}.image.args[{name}]",
                    "what looks like a secret would stay in the image",
                    "build arguments that everyone may read",
                    "give it to the container instead: environment or files, as a Secret",
                )
    commands = {"command": container.command, "health.command": container.health and container.health.command}
    for field, words in commands.items():
        if any(LOOKS.search(word) for word in words or ()):
            yield compose.problem(
                host,
                f"{place}.{field}",
                "what looks like a secret would stand in the process list",
                "a command that everyone may read",
                "give it to the container instead: environment or files, as a Secret",
            )


def is_secret(name: str, value: str) -> bool:
    """Say whether a variable's value is a secret, by its name or by its looks."""
    words = [word for word in re.split(r"[_\d]+", name.upper()) if word]
    called = any(word in SECRET or word.endswith(LONG) for word in words)
    named = called and "PUBLIC" not in words and words[-1] not in HARMLESS
    return named or bool(LOOKS.search(value))
