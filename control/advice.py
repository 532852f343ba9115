"""The commands that a sentence advises, completed to be about the environment that one works on.

Typed without --env a command is about the lab. So that no sentence need know where it will be read, it says
`invoke deploy`, and where it is shown this adds what a person must type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inventories.model.rehearsal import VARIABLE, is_rehearsed

DEFAULT = "lab"
"""What a command is about that names no environment."""
OF_NO_ENVIRONMENT = ("commands", "prove", "secrets.identity", "probe.")
OF_NO_TWIN = ("show", "render", "lint", "openings", "rehearse")
_COMMAND = re.compile(r"`invoke (?P<name>[a-z][a-z_.]*)(?P<rest>[^`]*)`")


@dataclass(frozen=True)
class Subject:
    """An environment as one instance: its twin's name where that is not the environment's."""

    environment: str
    instance: str = ""

    def completed(self, text: str) -> str:
        """Return a text, each command in backticks with --env, --twin and what tells a rehearsal."""
        return _COMMAND.sub(self._completed, text)

    def _completed(self, found: re.Match[str]) -> str:
        name, words = found["name"], found["rest"].split()
        named = words[words.index("--env") + 1 :][:1] if "--env" in words else []
        if name.startswith(OF_NO_ENVIRONMENT) or (named and named != [self.environment]):
            return found[0]
        rest, before = found["rest"], ""
        if not named and self.environment != DEFAULT:
            rest += f" --env {self.environment}"
        if name not in OF_NO_TWIN:
            if self.instance not in ("", self.environment) and "--twin" not in words:
                rest += f" --twin {self.instance}"
            before = f"{VARIABLE}={self.environment} " if is_rehearsed(self.environment) else ""
        return f"`{before}invoke {name}{rest}`"


_subject: Subject | None = None


@contextmanager
def for_a_person() -> Iterator[None]:
    """Complete what is shown from here on, once it is known which environment it is about."""
    global _subject
    before, _subject = _subject, Subject(DEFAULT)
    try:
        yield
    finally:
        _subject = before


def about(environment: str, instance: str = "") -> None:
    """Say which environment the present command is about; without a command this does nothing."""
    global _subject
    if _subject is not None:
        _subject = Subject(environment, instance)


def completed(text: str) -> str:
    """Return a text as the present command's reader needs it."""
    return _subject.completed(text) if _subject else text
