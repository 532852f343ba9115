"""What was proven, when, and for which state of the source: `proofs/<table>.json`."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

TOP = Path(__file__).resolve().parent.parent
PROOFS = TOP / "proofs"
SOURCES = (
    "inventories",
    "deploys",
    "templates",
    "verify",
    "control",
    "twin",
    "prove",
    "tasks.py",
    "requirements.lock",
)
"""What a result depends on: the same state of these files need not be proven twice."""
FORMAT = 1
ARCHIVE = re.compile(r"//(?![a-z0-9.-]*\.example\b)[a-z0-9.-]+(?=/)")
"""Hosts outside the lab: where this machine takes its packages from is nobody else's matter."""
Verdict = Literal["proven", "disproved"]


@dataclass(frozen=True)
class Result:
    """What came of one row."""

    row: str
    claim: str
    verdict: Verdict
    seen: str
    seconds: float
    when: str
    commit: str
    state: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is judged: the commit (with `+` where the tree differs from it), and the state of the sources."""

    commit: str
    state: str

    def result(
        self, row: str, claim: str, verdict: Verdict, seen: str, seconds: float, evidence: Any
    ) -> Result:
        """Return a result of now."""
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Result(row, claim, verdict, seen, round(seconds, 1), when, self.commit, self.state, evidence)


def _git(*argv: str) -> str:
    argv = ("git", "-c", f"safe.directory={TOP}", *argv)
    return subprocess.run(argv, cwd=TOP, check=True, capture_output=True, text=True).stdout


def files(*paths: str) -> list[Path]:
    """Return the files of the tree that git knows or would take, below these paths."""
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths).split("\0")
    return sorted({TOP / name for name in names if name and (TOP / name).is_file()})


def digest(*paths: str) -> str:
    """Return a short digest of the content of the files below these paths."""
    summed = hashlib.sha256()
    for path in files(*paths):
        summed.update(f"{path.relative_to(TOP)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return summed.hexdigest()[:12]


def subject() -> Subject:
    """Return what a result of now is about."""
    dirty = _git("status", "--porcelain", "--", *(name for name in SOURCES if (TOP / name).exists()))
    return Subject(_git("rev-parse", "--short=10", "HEAD").strip() + ("+" if dirty else ""), digest(*SOURCES))


def read(table: str) -> dict[str, Result]:
    """Return the recorded results of one table, by row."""
    path = PROOFS / f"{table}.json"
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text(encoding="utf-8"))
    return {row["row"]: Result(**row) for row in recorded["rows"]}


def record(table: str, result: Result, rows: tuple[str, ...]) -> None:
    """Keep one result; `rows` are the table's rows now: what is no longer one is forgotten."""
    kept = read(table) | {result.row: result}
    PROOFS.mkdir(exist_ok=True)
    shown = {"format": FORMAT, "rows": [asdict(kept[row]) for row in rows if row in kept]}
    fresh = PROOFS / f"{table}.json.new"
    text = json.dumps(shown, indent=1, ensure_ascii=False)
    fresh.write_text(ARCHIVE.sub("//archive", text) + "\n", encoding="utf-8")
    fresh.rename(PROOFS / f"{table}.json")
