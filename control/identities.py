"""Who can open a secrets store: age identities and ssh-ed25519 keys of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyrage

from control.atomic import write_private
from control.errors import TrunklineError
from control.operator import operator

Identity: TypeAlias = Any  # pyrage has no types: x25519.Identity or ssh.Identity
Recipient: TypeAlias = Any  # x25519.Recipient or ssh.Recipient


@dataclass(frozen=True)
class Readable:
    """An identity that could be read, its public half, and where it came from."""

    path: Path
    identity: Identity
    recipient: str


@dataclass(frozen=True)
class Unreadable:
    """A key that is there but cannot be used, and why."""

    path: Path
    reason: str


def own_identity_path() -> Path:
    """Return where a person's own age identity is kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(operator().home / ".config")
    return Path(base) / "trunkline" / "age.key"


def candidates() -> tuple[Path, ...]:
    """Return the files where an identity is looked for: `TRUNKLINE_IDENTITY` alone, or the usual places."""
    named = os.environ.get("TRUNKLINE_IDENTITY")
    if named:
        return (Path(named).expanduser(),)
    return (own_identity_path(), operator().home / ".ssh" / "id_ed25519")


def identities(paths: tuple[Path, ...]) -> tuple[list[Readable], list[Unreadable]]:
    """Read every identity that exists among `paths`."""
    readable: list[Readable] = []
    unreadable: list[Unreadable] = []
    for path in paths:
        try:
            found = _read(path)
        except FileNotFoundError:
            continue
        except PermissionError:
            found = Unreadable(path, "may not be read by you")
        if isinstance(found, Readable):
            readable.append(found)
        else:
            unreadable.append(found)
    return readable, unreadable


def _read(path: Path) -> Readable | Unreadable:
    data = path.read_bytes()
    if b"AGE-SECRET-KEY-1" in data:
        line = next(each for each in data.decode().splitlines() if each.startswith("AGE-SECRET-KEY-1"))
        try:
            age = pyrage.x25519.Identity.from_str(line.strip())
        except pyrage.IdentityError:
            return Unreadable(path, "is no valid age identity")
        return Readable(path, age, str(age.to_public()))
    try:
        ssh = pyrage.ssh.Identity.from_buffer(data)
    except pyrage.IdentityError as error:
        if "decrypted first" in str(error):
            return Unreadable(path, "is protected by a passphrase, which the secrets store cannot ask for")
        return Unreadable(path, f"is no age identity and no ssh-ed25519 key ({error})")
    public = path.with_name(path.name + ".pub")
    return Readable(path, ssh, public.read_text().strip() if public.exists() else "")


def new_identity(path: Path) -> str:
    """Make an age identity in `path` (mode 0600) and return its recipient; an existing file is refused."""
    if path.exists():
        raise TrunklineError(f"{path} exists already.", "Use it as it is, or move it away first.")
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    write_private(path, f"# public key: {public}\n{identity}\n".encode())
    return public


def recipient(line: str) -> Recipient:
    """Parse one recipient: `age1...` or an ssh-ed25519 line. Raises TrunklineError for anything else."""
    text = line.strip()
    try:
        if text.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(text)
        if text.startswith("ssh-ed25519 "):
            return pyrage.ssh.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise TrunklineError(f"{_short(text)} is no valid recipient: {error}.", WHAT_IS_ONE) from error
    if "PRIVATE KEY" in text or text.startswith("AGE-SECRET-KEY"):
        raise TrunklineError("That is a private key; a recipient is the public half.", WHAT_IS_ONE)
    raise TrunklineError(f"{_short(text)} is no recipient.", WHAT_IS_ONE)


WHAT_IS_ONE = "Give an age recipient (age1...), an ssh-ed25519 public key, or the path of its .pub file."


def same(one: str, other: str) -> bool:
    """Say whether two recipient lines mean the same key; the comment does not count."""
    return one.split()[:2] == other.split()[:2]


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
