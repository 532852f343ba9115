"""What each deploy came to: on the controller, newest last, and on each host by its agent."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control.atomic import made, write_private
from control.errors import TrunklineError
from control.target import Target
from inventories.model import Environment

ROOT = Path(__file__).resolve().parent.parent
RENDERING = ("inventories", "deploys", "templates")
"""The directories whose content decides what stands on a host."""


@dataclass(frozen=True)
class Record:
    """One deploy: which code and values, on which hosts, by whom, when, and what verify said."""

    commit: str
    """The commit deployed, followed by `+uncommitted` where the clone differs from it."""
    config: str
    """SHA-256 over the model and everything that renders it."""
    hosts: tuple[str, ...]
    who: str
    when: str
    """UTC, ISO 8601."""
    purpose: str
    verdicts: dict[str, int]
    """How many checks came to each verdict; empty where verify did not run."""
    failures: tuple[str, ...]
    """The ids of the checks that failed."""
    limited: bool = False
    """`--limit` left hosts out: such a deploy never makes a release verified."""
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What ran at the end, by `<host>/<stack>`: {"images": {service: id}, "revision": of the database}."""

    @property
    def verified(self) -> bool:
        """Say whether verify ran over the whole environment and nothing failed."""
        return bool(self.verdicts) and not self.failures and not self.limited


def holder() -> str:
    """Name who works here, as locks and records do: user@controller."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return f"{user}@{socket.gethostname()}"


def commit() -> str:
    """Return the clone's commit, marked where it has changes; `uncommitted` outside of git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "uncommitted"
    return f"{head}+uncommitted" if _git("--no-optional-locks", "status", "--porcelain") else head


def config_hash(environment: Environment) -> str:
    """Return the SHA-256 over the model's values and every file that renders them."""
    digest = hashlib.sha256(environment.model_dump_json().encode())
    for directory in RENDERING:
        for path in sorted((ROOT / directory).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def record(
    target: Target,
    purpose: str,
    verdicts: dict[str, int],
    failures: Sequence[str],
    stacks: dict[str, dict[str, Any]] | None = None,
) -> Record:
    """Return the record of a deploy that ends now."""
    return Record(
        commit=commit(),
        config=config_hash(target.environment),
        hosts=tuple(target.names),
        who=holder(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        purpose=purpose,
        limited=target.limited,
        verdicts=dict(verdicts),
        failures=tuple(failures),
        stacks=stacks or {},
    )


def as_json(entry: Record) -> str:
    """Return a record as one JSON object."""
    return json.dumps(asdict(entry), sort_keys=True)


def require(kept: Path) -> None:
    """See that a record can be kept in this directory. Raises TrunklineError: nothing was changed yet."""
    try:
        made(kept)
    except OSError as error:
        raise _unkept(kept, error.strerror or str(error)) from error
    if not os.access(kept, os.W_OK | os.X_OK):
        raise _unkept(kept, "you may not write there")


def keep(kept: Path, entry: Record) -> Path:
    """Write a record into the directory of an instance's history and return its file."""
    stamp = datetime.fromisoformat(entry.when).strftime("%Y%m%dT%H%M%SZ")
    number = len(list(kept.glob("*.json"))) if kept.is_dir() else 0
    path = kept / f"{stamp}-{number:05}.json"
    write_private(path, (as_json(entry) + "\n").encode())
    return path


def records(kept: Path) -> list[Record]:
    """Return an instance's history, oldest first."""
    return [_read(path) for path in sorted(kept.glob("*.json"))]


def known_failures(kept: Path, hosts: Sequence[str]) -> frozenset[str]:
    """Return the checks that failed on each host when verify last had its say about it."""
    known: set[str] = set()
    for host in hosts:
        judged = (entry for entry in reversed(records(kept)) if entry.verdicts and host in entry.hosts)
        last = next(judged, None)
        known |= {each for each in (last.failures if last else ()) if each.startswith(f"{host}/")}
    return frozenset(known)


def _unkept(kept: Path, reason: str) -> TrunklineError:
    return TrunklineError(
        f"The record of this deploy could not be kept in {kept}: {reason}.",
        "Make that directory yours, or name another place with TRUNKLINE_HOME; nothing was changed.",
    )


def _read(path: Path) -> Record:
    held = json.loads(path.read_text())
    held["hosts"] = tuple(held["hosts"])
    held["failures"] = tuple(held["failures"])
    return Record(**held)


def _git(*arguments: str) -> str:
    try:
        ran = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
