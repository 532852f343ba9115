"""What a run of the checks said of the stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prove.process import Ended
from prove.row import require


@dataclass(frozen=True)
class Verification:
    """What one run of the checks said: each check's entry by its id (host/check)."""

    entries: Mapping[str, Mapping[str, Any]]
    ended: Ended

    def verdict(self, check: str) -> str:
        """Return one check's verdict, `absent` where it did not run."""
        return str(self.entries[check]["verdict"]) if check in self.entries else "absent"

    def roots(self) -> dict[str, str]:
        """Return what is not ok and not merely blocked: id to verdict."""
        return {
            k: str(e["verdict"]) for k, e in self.entries.items() if e["verdict"] not in ("ok", "blocked")
        }

    def holds(self) -> Verification:
        """Return itself; raise Disproved unless every check held, naming those that did not."""
        wrong = [f"{k} {e['verdict']}: {e['seen']}" for k, e in self.entries.items() if e["gates"]]
        require(not self.ended.code, "; ".join(wrong) or f"{self.ended.code}: {self.ended.tail}")
        return self
