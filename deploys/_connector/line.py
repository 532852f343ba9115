"""A host as deploys use it: reading is cached, changing is fenced and forgets what was read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from control.errors import TrunklineError
from deploys._connector.connection import Connection, Outcome
from deploys._connector.failure import Failure, LockLost, Refused
from deploys._connector.script import STALE_TOKEN, fence

READ_SECONDS = 120
CHANGE_SECONDS = 1800
TAIL_LINES = 15
REPORTED_LINES = 25
"""A container's last lines, and what was tried with it."""
GIST_LINES = 3
INCOMING = "/var/lib/trunkline/incoming"


class Line:
    """The line to one host. `token` is the lock's fencing token, 0 while the lock is not held."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.token = 0
        self.lost: TrunklineError | None = None
        """Why nothing may be changed any more, once that is so."""
        self.failure: Failure | None = None
        """The last command that failed."""
        self.before_change: Callable[[], None] = lambda: None
        """Called before each change: takes the lock where nobody else does."""
        self._reading = 0
        self._read: dict[tuple[str, bytes], Outcome] = {}

    @property
    def name(self) -> str:
        """The host's name."""
        return self.connection.route.host

    @property
    def is_reading(self) -> bool:
        """Say whether what runs now only looks."""
        return self._reading > 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Mark what runs inside as looking only: cached, not fenced."""
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1

    def forget(self) -> None:
        """Forget what was read: something changed, or may have."""
        self._read.clear()

    def read(self, script: str, stdin: bytes = b"", seconds: int = READ_SECONDS) -> Outcome:
        """Run a script that changes nothing, or return what it said since the last change."""
        key = (script, stdin)
        if key not in self._read:
            self._read[key] = self._noted(lambda: self.connection.run(script, stdin, seconds))
        return self._read[key]

    def change(self, script: str, stdin: bytes = b"", seconds: int = CHANGE_SECONDS) -> Outcome:
        """Run a script as the lock's holder; raises LockLost when a newer holder has the host."""
        self.before_change()
        if self.lost is not None:
            raise self.lost
        if not self.token:
            raise Refused(f"Nothing may be changed on {self.name}: the lock is not held.")
        self.forget()
        try:
            outcome = self._noted(lambda: self.connection.run(fence(self.token) + script, stdin, seconds))
        finally:
            self.forget()
        if outcome.code == STALE_TOKEN:
            self.lost = LockLost(
                f"The lock of {self.name} was taken over by another deploy.",
                "`invoke status` names its holder. Nothing was changed after that.",
            )
            self.failure = Failure(self.lost.message, self.lost.remedy)
            raise self.lost
        return outcome

    def upload(self, data: bytes, path: str) -> Outcome:
        """Write a file: complete and 0600 before it gets its name, which keeps an old file's mode."""
        return self.change(_upload_script(path, len(data)), data)

    def download(self, path: str) -> Outcome:
        """Read a file; its content is the outcome's stdout."""
        return self._noted(lambda: self.connection.run(f"cat -- {shlex.quote(path)}"))

    def note(self, error: TrunklineError, output: str = "") -> None:
        """Remember why something failed, for whoever tells a person."""
        self.failure = Failure(error.message, error.remedy, output)

    def _noted(self, run: Callable[[], Outcome]) -> Outcome:
        try:
            return run()
        except TrunklineError as error:
            self.note(error)
            raise


def tail(outcome: Outcome, lines: int = TAIL_LINES) -> str:
    """Return the last lines a command said: its errors, or its output where it had none.

    The agent's sentence has but the gist of what a program said that failed; the rest comes before it.
    """
    said = outcome.errors.strip() or outcome.text.strip()
    whole = _reported(outcome.text) if outcome.errors.strip() else []
    before = whole[-REPORTED_LINES:] if len(whole) > GIST_LINES else []
    return "\n".join([*before, *said.splitlines()[-lines:]])


def _reported(text: str) -> list[str]:
    """Return what a failed program said, in the agent's report; nothing where there is no report.

    The program may be the agent itself: its own report within is for programs, and left out.
    """
    output = _object(text).get("output")
    lines = output.strip("\n").splitlines() if isinstance(output, str) else []
    return [line for line in lines if not _object(line)]


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _upload_script(path: str, size: int) -> str:
    target = shlex.quote(path)
    return f"""umask 077
case {target} in {INCOMING}/*) mkdir -p {INCOMING}; esac
new=$(mktemp "$(dirname {target})/.trunkline.XXXXXXXX") || exit 1
cat > "$new" || {{ rm -f "$new"; exit 1; }}
if [ "$(stat -c %s "$new")" != {size} ]; then rm -f "$new"; echo "the upload broke off" >&2; exit 1; fi
if [ -f {target} ]; then chmod --reference={target} "$new"; chown --reference={target} "$new"; fi
mv -fT "$new" {target} || {{ rm -f "$new"; exit 1; }}
"""
