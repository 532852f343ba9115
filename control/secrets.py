"""The secrets of an environment: one file, encrypted with age for everyone who may read it.

The file begins with its recipients in clear, one a line after `# recipient: `, so that it can be encrypted
again for all of them; the same list is inside, and a difference between the two stops every change. Plain age
reads the rest: `sed -n '/BEGIN AGE/,$p' FILE | age --decrypt -i IDENTITY`.
"""

from __future__ import annotations

import json
import secrets as randomness
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from control import places
from control.atomic import alone, write_public
from control.errors import TrunklineError
from control.identities import (
    Readable,
    Unreadable,
    candidates,
    identities,
    new_identity,
    own_identity_path,
    recipient,
    same,
)
from control.target import INVENTORIES, Target
from inventories.model import Secret
from twin.given import given

MARK = "# recipient: "
ARMOUR = "-----BEGIN AGE ENCRYPTED FILE-----"
ALPHABET = string.ascii_letters + string.digits
DEFAULT_LENGTH = 43
"""Letters and digits that carry 256 bits."""


@dataclass
class Store:
    """Secrets in a file, and the identities that may open it."""

    path: Path
    identity_paths: tuple[Path, ...]
    generates: bool
    """Missing secrets are made on demand: a twin holds nothing that anyone else needs to know."""
    given: dict[str, str] = field(default_factory=dict, repr=False)
    """What a provider gives us and nobody chooses, such as a managed database's password, by name."""
    _cache: dict[str, str] | None = field(default=None, repr=False)

    def values(self) -> dict[str, str]:
        """Decrypt and return every secret, by name; nothing when there is no file yet."""
        if self._cache is None:
            self._cache = self._opened()
        return dict(self._cache)

    def recipients(self) -> list[str]:
        """Return the public keys that can open the file, as its head says."""
        if not self.path.exists():
            return []
        head = self.path.read_text().split(ARMOUR)[0].splitlines()
        return [line.removeprefix(MARK) for line in head if line.startswith(MARK)]

    def put(self, name: str, value: str, *, known: bool | None = None) -> None:
        """Set one secret and encrypt the whole again; `known`: it must, or must not, have one."""
        checked_name(name)
        if not value or "\0" in value:
            raise TrunklineError(f"The value of {name} is empty or holds a NUL byte.", "Nothing was changed.")
        with self._changing() as values:
            if known is False and name in values:
                raise TrunklineError(
                    f"{name} has a value already.", f"`invoke secrets.rotate {name}` replaces it."
                )
            if known is True and name not in values:
                raise TrunklineError(
                    f"{name} has no value yet.", f"`invoke secrets.generate {name}` makes one."
                )
            self._write({**values, name: value}, self.recipients() or self._first_recipient())

    def put_all(self, given: dict[str, str]) -> None:
        """Set several secrets at once: all of them or none."""
        with self._changing() as values:
            self._write({**values, **given}, self.recipients() or self._first_recipient())

    def remove(self, name: str) -> None:
        """Forget one secret and encrypt the rest again."""
        with self._changing() as values:
            if name not in values:
                raise TrunklineError(f"There is no secret {name!r}.", _known(values))
            self._write({key: value for key, value in values.items() if key != name}, self.recipients())

    def admit(self, line: str) -> None:
        """Let one more recipient read, by encrypting everything again."""
        recipient(line)
        with self._changing() as values:
            known = self.recipients() or self._first_recipient()
            self._write(values, [each for each in known if not same(each, line)] + [line.strip()])

    def dismiss(self, line: str) -> None:
        """Let a recipient read no longer; what it read before it still knows, so rotate."""
        with self._changing() as values:
            rest = [each for each in self.recipients() if not same(each, line)]
            if len(rest) == len(self.recipients()):
                raise TrunklineError("That key is no recipient.", "`invoke secrets.recipients` lists them.")
            if not rest:
                raise TrunklineError(
                    "That is the last recipient: nobody could read the secrets.", "Add one first."
                )
            self._write(values, rest)

    def needed(self, wanted: tuple[Secret, ...]) -> dict[str, str]:
        """Return the values of what a model refers to; a twin's are made when missing.

        Raises TrunklineError naming every missing secret.
        """
        values = self.values() | self.given
        missing = [secret.name for secret in wanted if secret.name not in values]
        if missing and self.generates:
            with self._changing() as present:
                values = {**{name: generated() for name in missing}, **present}
                self._write(values, self.recipients() or self._first_recipient())
        elif missing:
            raise TrunklineError(
                f"{self.path.name} lacks {', '.join(missing)}.",
                "Set each with `invoke secrets.set NAME` or make it with `invoke secrets.generate NAME`.",
            )
        return {secret.name: (values | self.given)[secret.name] for secret in wanted}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """Yield the values as they stand in the file now, while no other process changes it."""
        with alone(self.path.parent):
            self._cache = None
            yield self.values()

    def _opened(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        text = self.path.read_text()
        readable, unreadable = identities(self.identity_paths)
        if not readable:
            raise _nobody(self, unreadable)
        try:
            plain = pyrage.decrypt(text[text.index(ARMOUR) :].encode(), [each.identity for each in readable])
            held = json.loads(plain)
        except pyrage.DecryptError as error:
            raise _not_for_us(self, readable, unreadable, error) from error
        except ValueError as error:
            raise TrunklineError(
                f"{self.path} is damaged: {ARMOUR!r} and a JSON object were expected.",
                "Take the last good version from git.",
            ) from error
        if sorted(held["recipients"]) != sorted(self.recipients()):
            raise TrunklineError(
                f"The recipients at the head of {self.path.name} were changed by hand.",
                "Take the file from git; change recipients with `invoke secrets.recipients` only.",
            )
        values: dict[str, str] = held["values"]
        return values

    def _write(self, values: dict[str, str], recipients: list[str]) -> None:
        plain = json.dumps({"recipients": recipients, "values": values}, sort_keys=True).encode()
        sealed = pyrage.encrypt(plain, [recipient(line) for line in recipients], armored=True)
        head = "".join(f"{MARK}{line}\n" for line in recipients)
        write_public(self.path, head.encode() + sealed)
        self._cache = dict(values)

    def _first_recipient(self) -> list[str]:
        """Return whom a new file is encrypted for: ourselves."""
        readable, unreadable = identities(self.identity_paths)
        usable = [each.recipient for each in readable if each.recipient]
        if usable:
            return usable[:1]
        if self.generates:
            return [new_identity(self.identity_paths[0])]
        raise _nobody(self, unreadable)


def store_of(target: Target) -> Store:
    """Return the secrets store of an environment; a twin's lives with its state, outside the clone."""
    if target.environment.in_twin:
        state = places.state_of(target.instance)
        its = given(target.environment, target.instance)
        return Store(state / "secrets", (state / "age.key",), generates=True, given=its)
    return Store(INVENTORIES / f"{target.environment.name}.secrets", candidates(), generates=False)


def generated(length: int = DEFAULT_LENGTH) -> str:
    """Return a random value of letters and digits from the system's source (random(4))."""
    return "".join(randomness.choice(ALPHABET) for _ in range(length))


def checked_name(name: str) -> str:
    """Return a secret's name; raises TrunklineError where no model could refer to it."""
    try:
        return Secret(name=name).name
    except ValueError as error:
        raise TrunklineError(
            f"{name!r} is no name for a secret.", "Use a small letter, then small letters, digits and _."
        ) from error


def _known(values: dict[str, str]) -> str:
    return f"There are: {', '.join(sorted(values))}." if values else "The store is empty."


def _nobody(store: Store, unreadable: list[Unreadable]) -> TrunklineError:
    seen = "; ".join(f"{each.path} {each.reason}" for each in unreadable)
    looked = ", ".join(str(path) for path in store.identity_paths)
    return TrunklineError(
        f"No identity can open {store.path.name}: {seen or f'there is none at {looked}'}.",
        "Make one with `invoke secrets.identity` (an age identity in "
        f"{own_identity_path()}) and let a present recipient admit it; "
        "TRUNKLINE_IDENTITY names another file.",
    )


def _not_for_us(
    store: Store, readable: list[Readable], unreadable: list[Unreadable], error: Exception
) -> TrunklineError:
    tried = ", ".join(str(each.path) for each in readable)
    beside = "".join(f"; {each.path} {each.reason}" for each in unreadable)
    return TrunklineError(
        f"{store.path.name} cannot be opened with {tried}{beside} ({str(error).lower()}).",
        "Ask one of its recipients for `invoke secrets.recipients --add YOUR_PUBLIC_KEY`; "
        "`invoke secrets.recipients` lists them.",
    )
