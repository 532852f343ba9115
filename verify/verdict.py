"""What a check comes to, and the sentences that end one: failed, warned, not proven."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NoReturn

LONGEST = 600
"""Characters of one piece of evidence; a report is to be read, and mailed."""
MOST = 25
"""Items of one list in the evidence."""


class Verdict(StrEnum):
    """The five answers of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    NOT_PROVEN = "not proven"
    BLOCKED = "blocked"


class Judgement(Exception):
    """Ends a check with a verdict other than ok: what was seen, what was wanted, what to do."""

    verdict = Verdict.FAIL
    gates = True

    def __init__(self, seen: object, wanted: object = "", remedy: str = "") -> None:
        self.seen, self.wanted, self.remedy = brief(seen), brief(wanted), remedy
        super().__init__(f"seen {self.seen}, wanted {self.wanted}")


class Failed(Judgement):
    """The claim does not hold."""


class Warned(Judgement):
    """Worth knowing; it never stops a deploy."""

    verdict = Verdict.WARN
    gates = False


class NotProven(Judgement):
    """Nobody could look. `gates` is false where no declared vantage point could have."""

    verdict = Verdict.NOT_PROVEN

    def __init__(self, seen: object, wanted: object = "", remedy: str = "", *, gates: bool = True) -> None:
        self.gates = gates
        super().__init__(seen, wanted, remedy)


class Blocked(Judgement):
    """A check that this one needs did not hold."""

    verdict = Verdict.BLOCKED
    gates = False

    def __init__(self, root: str) -> None:
        self.root = root
        super().__init__(f"not looked at: {root} comes first")


def fail(seen: object, wanted: object = "", remedy: str = "") -> NoReturn:
    """End the check: the claim does not hold. An empty `remedy` means the check's own."""
    raise Failed(seen, wanted, remedy)


def warn(seen: object, wanted: object = "", remedy: str = "") -> NoReturn:
    """End the check with a warning."""
    raise Warned(seen, wanted, remedy)


def not_proven(why: object, *, gates: bool = True, remedy: str = "") -> NoReturn:
    """End the check without an answer; `gates=False` where no declared vantage point could have looked."""
    raise NotProven(why, "an observation", remedy, gates=gates)


def same(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Fail unless every wanted key has its value; only what differs is told."""
    wrong = {key: seen.get(key) for key in wanted if seen.get(key) != wanted[key]}
    if wrong:
        fail(wrong, {key: wanted[key] for key in wrong})


def exactly(seen: Iterable[str], wanted: Iterable[str], *, of: str = "") -> None:
    """Fail unless both sets are equal; says what is there and should not be, and what is missing."""
    live, declared = set(seen), set(wanted)
    if live == declared:
        return
    parts = {"undeclared": sorted(live - declared), "missing": sorted(declared - live)}
    fail(
        "; ".join(f"{name}: {', '.join(items)}" for name, items in parts.items() if items),
        f"exactly {', '.join(sorted(declared)) or f'no {of}'.strip()}",
    )


def bounded(value: Any) -> Any:
    """Return evidence of bounded size: long texts and lists are cut."""
    if isinstance(value, Mapping):
        return {str(key): bounded(item) for key, item in list(value.items())[:MOST]}
    if isinstance(value, list | tuple | set | frozenset):
        items = [bounded(item) for item in list(value)[:MOST]]
        return items if len(value) <= MOST else [*items, f"and {len(value) - MOST} more"]
    return value if isinstance(value, int | float) or value is None else brief(value)


def brief(value: object) -> str:
    """Return a value as text of bounded length, on one line."""
    if isinstance(value, list | tuple | set) and len(value) > MOST:
        value = [*list(value)[:MOST], f"and {len(value) - MOST} more"]
    if isinstance(value, Mapping):
        text = ", ".join(f"{key} {brief(item)}" for key, item in value.items())
    elif isinstance(value, str):
        text = value
    elif isinstance(value, list | tuple | set):
        text = ", ".join(str(item) for item in value)
    else:
        text = json.dumps(value, default=str)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
