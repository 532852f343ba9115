"""Everything a preflight wants to know of the agent, in one answer."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from . import clock, guard, journal, lock, manifest, release
from .problem import AgentError


def state() -> dict[str, Any]:
    """Lock, guard, manifest summary, release record and half-done work; a part that cannot be read becomes
    a problem."""
    problems: list[str] = []

    def part(look: Callable[[], Any]) -> Any:
        try:
            return look()
        except AgentError as error:
            problems.append(error.sentence)
            return None

    return {
        "agent": os.path.basename(sys.argv[0]),
        "boot_id": clock.boot_id(),
        "lock": part(lock.show),
        "guard": part(guard.show),
        "manifest": part(_manifest),
        "release": part(release.show),
        "journal": part(_journal),
        "problems": problems,
    }


def _manifest() -> dict[str, Any]:
    record = manifest.show()
    resources = record["resources"]
    kinds = None if resources is None else dict(Counter(item["kind"] for item in resources))
    return {"format": record["format"], "resources": kinds, "orphans": len(manifest.orphans())}


def _journal() -> dict[str, Any] | None:
    record = journal.pending()
    return {"service": record["service"], "since": record["since"]} if record else None
