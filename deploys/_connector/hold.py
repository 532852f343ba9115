"""Hold the lock of an environment on one host, and keep its lease alive while we work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from control.errors import TrunklineError
from deploys._connector.agent import AgentFailed, answer
from deploys._connector.failure import LockLost
from deploys._connector.line import Line
from deploys._connector.script import STALE_TOKEN

POLL_SECONDS = 2.0
RENEWALS_A_LEASE = 4
ACQUIRE_SECONDS = 1200
"""Who takes the lock first undoes what a killed deploy has left: a stack's old containers start again."""


class Hold:
    """The lock on one host. Its lease is renewed in the background until it is released."""

    def __init__(self, line: Line, token: int, lease: int) -> None:
        self.line = line
        self.token = token
        self.lease = lease
        self._renewed = time.monotonic()
        self._ended = threading.Event()
        line.token, line.lost = token, None
        threading.Thread(target=self._renew, daemon=True).start()

    def release(self) -> None:
        """Give the lock back; raises TrunklineError when that cannot be done (the lease then runs out)."""
        self._ended.set()
        self.line.token = 0
        try:
            answer(self.line.connection, ["lock", "release", "--token", str(self.token)], seconds=15)
        except AgentFailed as error:
            if error.code != STALE_TOKEN:
                raise

    def _renew(self) -> None:
        arguments = ["lock", "renew", "--token", str(self.token), "--lease", str(self.lease)]
        while not self._ended.wait(self.lease / RENEWALS_A_LEASE):
            started = time.monotonic()
            try:
                answer(self.line.connection, arguments, seconds=15)
            except AgentFailed as error:
                if error.code == STALE_TOKEN:
                    return self._lose("Another deploy took it over, or the guard returned the host.")
            except TrunklineError:
                pass
            else:
                self._renewed = started
            if time.monotonic() - self._renewed > self.lease:
                return self._lose(f"It could not be renewed for {self.lease} s.")
        return None

    def _lose(self, reason: str) -> None:
        if not self._ended.is_set():
            self.line.lost = LockLost(
                f"The lock of {self.line.name} was lost. {reason}",
                "Nothing more is changed there; `invoke status` names who holds it now.",
            )


def acquire(
    line: Line,
    holder: str,
    purpose: str,
    lease: int,
    wait: float = 0,
    give_up: Callable[[], bool] = lambda: False,
) -> Hold:
    """Take the lock of a host, waiting `wait` seconds for a present holder, or until `give_up` says so.

    Raises TrunklineError that names holder, purpose, since and the rest of the lease.
    """
    until = time.monotonic() + wait
    arguments = ["lock", "acquire", "--holder", holder, "--purpose", purpose, "--lease", str(lease)]
    while True:
        try:
            token = answer(line.connection, arguments, seconds=ACQUIRE_SECONDS)["token"]
            return Hold(line, int(token), lease)
        except AgentFailed as error:
            if "held" not in error.said or time.monotonic() >= until or give_up():
                raise _refused(line, error) from error
        time.sleep(POLL_SECONDS)


def _refused(line: Line, error: AgentFailed) -> TrunklineError:
    held = error.said.get("held")
    if not held:
        return TrunklineError(f"The lock of {line.name} cannot be taken: {error.message}.", error.remedy)
    remaining = round(held.get("remaining", 0))
    return TrunklineError(
        f"{line.name} is locked by {held['holder']} for {held['purpose']} since {held['since']}; "
        f"the lease ends in {remaining} s.",
        "Wait for it; a holder that died loses the lock when its lease ends.",
    )
