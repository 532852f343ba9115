"""The outcome of a run: one entry a check and host, kept as JSON and told in lines."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from control.advice import Subject
from verify.checks import Check
from verify.verdict import Blocked, Judgement, Verdict, bounded

FORMAT = 1
MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "not proven": "NOT PROVEN", "blocked": "BLOCKED"}


@dataclass(frozen=True)
class Entry:
    """What one check came to on one host."""

    id: str
    check: str
    host: str
    service: str
    claim: str
    verdict: str
    gates: bool
    """This entry alone makes the run fail."""
    seen: str = ""
    wanted: str = ""
    remedy: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    blocked_by: str | None = None
    faults: tuple[str, ...] = ()
    seconds: float = 0.0

    def line(self) -> str:
        """Return the entry in one line: the claim, what was seen, what was wanted, what to do."""
        parts = [f"{MARKS[self.verdict]} {self.host} {self.service}: {self.claim}"]
        if self.seen:
            parts.append(f"seen {self.seen}" + (f", wanted {self.wanted}" if self.wanted else ""))
        if self.remedy and self.verdict in (Verdict.FAIL, Verdict.WARN, Verdict.NOT_PROVEN):
            parts.append(self.remedy)
        return ": ".join(parts[:2]) + (f". {parts[2]}" if len(parts) == 3 else "")


def entry_of(
    check: Check, host: str, ended: Judgement | None, evidence: dict[str, Any], seconds: float
) -> Entry:
    """Return the entry of a check that ended with a judgement, or with none: it holds."""
    shown = {"seen": ended.seen, "wanted": ended.wanted} if ended else {}
    return Entry(
        id=f"{host}/{check.id}",
        check=check.id,
        host=host,
        service=check.service,
        claim=check.claim,
        verdict=str(ended.verdict if ended else Verdict.OK),
        gates=bool(ended and ended.gates),
        seen=ended.seen if ended else "",
        wanted=ended.wanted if ended else "",
        remedy=(ended.remedy or check.remedy) if ended else "",
        evidence={**{k: v for k, v in shown.items() if v}, **bounded(evidence)},
        blocked_by=ended.root if isinstance(ended, Blocked) else None,
        faults=check.faults,
        seconds=round(seconds, 3),
    )


@dataclass
class Report:
    """A whole run."""

    environment: str
    instance: str
    started: str
    strict: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)
    """Disruptive checks that nobody asked for."""

    def add(self, entry: Entry) -> Entry:
        """Keep an entry and return it; what it advises is about this environment."""
        remedy = Subject(self.environment, self.instance).completed(entry.remedy)
        self.entries[entry.id] = replace(entry, remedy=remedy)
        return self.entries[entry.id]

    @property
    def counts(self) -> dict[str, int]:
        """How many entries came to each verdict."""
        counted = Counter(entry.verdict for entry in self.entries.values())
        return {str(verdict): counted[str(verdict)] for verdict in Verdict}

    @property
    def ok(self) -> bool:
        """Nothing gates; if strict, nothing is unproven either."""
        unproven = self.strict and self.counts[Verdict.NOT_PROVEN]
        return not unproven and not any(entry.gates for entry in self.entries.values())

    def root_of(self, host: str, needs: tuple[str, ...]) -> str | None:
        """Return the id of the root cause when a needed check did not hold on this host."""
        for need in needs:
            entry = self.entries.get(f"{host}/{need}")
            if entry is None or entry.verdict in (Verdict.OK, Verdict.WARN):
                continue
            if entry.gates or entry.verdict == Verdict.BLOCKED:
                return entry.blocked_by or entry.id
        return None

    def causes(self, host: str) -> dict[str, str]:
        """Return, for each service of a host with a failure, the id of the first."""
        found: dict[str, str] = {}
        for entry in self.entries.values():
            if entry.host == host and entry.verdict == Verdict.FAIL:
                found.setdefault(entry.service, entry.id)
        return found

    def behind(self) -> list[str]:
        """Return one line for each root cause that other checks wait for."""
        counted = Counter(e.blocked_by for e in self.entries.values() if e.blocked_by)
        return [f"BLOCKED {count} checks by {root}" for root, count in counted.items()]

    def summary(self, seconds: float) -> str:
        """Return the closing line."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        rest = f"; {len(self.not_run)} disruptive checks left out" if self.not_run else ""
        return f"{self.environment}: {counts or 'no check'} in {seconds:.1f} s{rest}"

    def save(self, path: Path, seconds: float) -> None:
        """Write the report as JSON: whole or not at all, readable by its owner only."""
        held = {
            "format": FORMAT,
            "environment": self.environment,
            "instance": self.instance,
            "started": self.started,
            "seconds": round(seconds, 3),
            "strict": self.strict,
            "ok": self.ok,
            "counts": self.counts,
            "not_run": self.not_run,
            "checks": [asdict(entry) for entry in self.entries.values()],
        }
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(held, file, indent=1, default=str)
        beside.rename(path)
