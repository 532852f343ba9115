"""What the providers outside give us, and the twin in their place: databases' passwords and authorities."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path

from control import places
from inventories.model import Environment
from twin.authority import Authority


def given(environment: Environment, twin: str) -> dict[str, str]:
    """Return the secrets that are not ours to choose in a twin, by name; what is missing is made."""
    passwords = _passwords(twin, {database.password.name for database in environment.databases})
    return passwords | {database.ca.name: Authority(twin).pem for database in environment.databases}


def _passwords(twin: str, names: set[str]) -> dict[str, str]:
    if not names:
        return {}
    path: Path = places.twin_of(twin) / "given.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known: dict[str, str] = json.loads(file.read() or "{}")
        if missing := names - set(known):
            known |= {name: secrets.token_urlsafe(32) for name in missing}
            file.seek(0)
            file.write(json.dumps(known))
    return {name: known[name] for name in names}
