"""How far an apply came, as its events tell: all that is known of it when the engine can no longer say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from control.errors import TrunklineError
from control.event import ResultEvent, StepEvent

Place = tuple[str, str]
"""Host and step."""


class Course:
    """The steps of one batch: done, running, and not begun."""

    def __init__(self, planned: Iterable[Place]) -> None:
        self._ahead = dict.fromkeys(planned)
        self._running: dict[str, Place] = {}
        self._done: list[Place] = []

    def note(self, event: StepEvent) -> None:
        """Follow one event."""
        place = (event.host, event.step)
        if event.phase != "apply":
            return
        if event.status == "started":
            self._running[event.host] = place
            return
        if event.status == "changed":
            self._done.append(place)
        if event.status in ("changed", "unchanged"):
            self._running.pop(event.host, None)
            self._ahead.pop(place, None)

    def broken_off(self, do: str) -> ResultEvent:
        """Return the result of a request that the engine was killed in."""
        fields: Mapping[str, Any] = {
            "done": self._done,
            "not_done": list(self._ahead),
            "cut": list(self._running.values()),
        }
        return ResultEvent(do, False, "Stopped on request.", "", dict(fields))


class ApplyFailed(TrunklineError):
    """A step failed: what was done, what was not, and what was cut in the middle, as (host, step)."""

    def __init__(self, result: ResultEvent) -> None:
        failed = result.fields.get("failed") or {}
        self.host: str = failed.get("host", "")
        self.step: str = failed.get("step", "")
        self.done: tuple[Place, ...] = _places(result, "done")
        self.not_done: tuple[Place, ...] = _places(result, "not_done")
        self.cut: tuple[Place, ...] = _places(result, "cut")
        super().__init__(result.error or "Stopped on request.", result.remedy)


class Interrupted(ApplyFailed):
    """Ctrl-C or SIGTERM: what was running was let end, or was ended where that took too long."""


def _places(result: ResultEvent, field: str) -> tuple[Place, ...]:
    return tuple((host, step) for host, step in result.fields.get(field, ()))
