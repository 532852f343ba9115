"""What is wrong with an inventory: every problem at once, each with what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing the model refuses: where it stands, what was seen, what was wanted, what to do."""

    host: str
    """The host's name, empty for the environment itself."""
    service: str
    field: str
    seen: str
    wanted: str
    remedy: str
    bare: bool = False
    """`seen` is nothing but the value, so the sentence says "is not" between it and what was wanted."""
    example: bool = False
    """A placeholder of an example stands there: nothing is wrong but that nobody has replaced it yet."""

    @property
    def place(self) -> str:
        """Where it stands: `edge1 ssh.port`."""
        return f"{self.host or 'environment'} {self.path}".strip()

    @property
    def path(self) -> str:
        """Where it stands below its host: `ssh.port`."""
        return ".".join(part for part in (self.service, self.field) if part)

    @property
    def sentence(self) -> str:
        """What was seen, what was wanted, what to do, without the place."""
        return f"{self.seen}{' is not ' if self.bare else ', wanted '}{self.wanted}; {self.remedy}"

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


class ModelError(Exception):
    """An environment that is refused; carries every problem found, sorted by host, service and field."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(lines(self.problems)))


def refusal(problems: Iterable[Problem]) -> str:
    """Return in one sentence why an inventory is refused, before its problems are told one a line."""
    found = tuple(problems)
    examples = len(lines(each for each in found if each.example))
    faults = len(lines(each for each in found if not each.example))
    values = f"{examples} placeholder{'s' if examples > 1 else ''}"
    wrong = "1 thing is wrong" if faults == 1 else f"{faults} things are wrong"
    if not faults:
        return f"It is an example: replace its {values} (addresses, names, keys) by your own values."
    if not examples:
        return f"{wrong[0].upper()}{wrong[1:]}."
    return f"{wrong[0].upper()}{wrong[1:]}, and {values} of an example wait for your own values."


def lines(problems: Iterable[Problem]) -> list[str]:
    """Return the sentences, one a line; what several hosts share is said once, with their names."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        hosts.setdefault((problem.path, problem.sentence), []).append(problem.host or "environment")
    return [f"{' '.join((', '.join(names), path)).strip()}: {text}" for (path, text), names in hosts.items()]
