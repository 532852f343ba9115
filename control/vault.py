"""What a person does with secrets: set, make, list, rotate, and say who may read. Values are never shown."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from control.console import Console, stdin_is_terminal
from control.errors import TrunklineError
from control.identities import identities, new_identity, own_identity_path, recipient
from control.peer import kept_beside
from control.secrets import checked_name, generated, store_of
from control.target import Target

SHORTEST, LONGEST = 16, 512


def put(target: Target, console: Console, name: str) -> None:
    """Set a secret to what is typed without echo, or to what stdin holds without its last newline."""
    checked_name(name)
    if stdin_is_terminal():
        value = getpass.getpass(f"Value of {name} (not shown): ")
    else:
        value = sys.stdin.read().removesuffix("\n")
    store_of(target).put(name, value)
    console.say(f"{name} is set. {_next(target, name)}")


def generate(target: Target, console: Console, name: str, length: int) -> None:
    """Make a value for a secret that has none yet."""
    store_of(target).put(name, generated(_length(length)), known=False)
    console.say(f"{name} is made ({length} characters). {_next(target, name)}")


def rotate(target: Target, console: Console, name: str, length: int) -> None:
    """Make a new value for a secret that has one."""
    store_of(target).put(name, generated(_length(length)), known=True)
    console.say(f"{name} has a new value, not deployed yet. {_next(target, name)}")


def forget(target: Target, console: Console, name: str) -> None:
    """Take a secret out of the store; what the hosts hold of it goes with the next deploy."""
    store_of(target).remove(name)
    console.say(f"{name} is gone from {store_of(target).path.name}.")


def listing(target: Target, console: Console) -> int:
    """List the names: held and used, missing, unused. Returns 1 when one is missing that nobody will make."""
    store = store_of(target)
    held = set(store.values())
    used = {secret.name for secret in target.environment.secrets()}
    known = used | (held & kept_beside(target.environment))
    rows = [(name, _state(name, held, known, makes=store.generates)) for name in sorted(held | used)]
    if rows:
        console.table("secret", ("Secret", "State"), rows)
    else:
        console.say(f"{target.environment.name} refers to no secret and holds none.")
    return 1 if used - held and not store.generates else 0


def recipients(target: Target, console: Console, *, add: str, remove: str) -> None:
    """List who may read, or let somebody in or out; everything is encrypted again at once."""
    store = store_of(target)
    if add:
        store.admit(public_key(add))
    if remove:
        store.dismiss(public_key(remove))
        console.warn(
            "Who could read before still knows the values: rotate them (`invoke secrets.rotate NAME`)."
        )
    rows = [(_kind(line), line) for line in store.recipients()]
    if rows:
        console.table("recipient", ("Kind", "Recipient"), rows)
    else:
        console.say(f"There is no {store.path.name} yet; the first secret makes it, readable by you alone.")


def identity(console: Console) -> None:
    """Show the public half of this person's own age identity; make it first where there is none."""
    path = own_identity_path()
    readable, unreadable = identities((path,))
    if unreadable:
        raise TrunklineError(f"{path} {unreadable[0].reason}.", "Move it away to make a new one.")
    public = readable[0].recipient if readable else new_identity(path)
    console.say(f"{'Your' if readable else 'A new'} age identity is in {path}. Its public half:")
    console.say(public, "bold")
    console.say(f"A present recipient lets it in: `invoke secrets.recipients --add {public}`", "dim")


def public_key(text: str) -> str:
    """Return a recipient line, given itself or the path of a .pub file."""
    path = Path(text).expanduser()
    line = path.read_text().strip() if path.suffix == ".pub" and path.exists() else text.strip()
    recipient(line)
    return line


def _kind(line: str) -> str:
    return "age" if line.startswith("age1") else "ssh-ed25519"


def _state(name: str, held: set[str], used: set[str], *, makes: bool) -> str:
    if name in held:
        return "ok" if name in used else "warn: unused, no inventory value refers to it"
    return "made by the next deploy" if makes else "fail: missing"


def _next(target: Target, name: str) -> str:
    if name in {secret.name for secret in target.environment.secrets()}:
        return f"`invoke deploy --env {target.environment.name}` brings it to the hosts."
    return f"Nothing in inventories/{target.environment.name}.py refers to it yet."


def _length(length: int) -> int:
    if not SHORTEST <= length <= LONGEST:
        raise TrunklineError(f"--length is {length}.", f"Choose {SHORTEST} to {LONGEST} characters.")
    return length
