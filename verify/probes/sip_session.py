"""Session timers (RFC 4028): how long a call lives without a sign, and who gives it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Literal

from verify.probes.sip_message import Message

Side = Literal["we", "peer", ""]


@dataclass(frozen=True)
class SessionTimer:
    """What both sides agreed on. `seconds` 0: no timer."""

    seconds: int = 0
    refresher: Side = ""
    began: float = 0.0
    """Monotonic seconds of the last refresh."""

    @property
    def due(self) -> float:
        """When we have something to do: refresh at half the interval, or give the call up before its end.

        RFC 4028 section 10. Monotonic seconds; infinity without a timer.
        """
        if not self.seconds:
            return float("inf")
        if self.refresher == "we":
            return self.began + self.seconds / 2
        return self.began + self.seconds - min(32.0, self.seconds / 3)


NO_TIMER = SessionTimer()


def asked(seconds: int, refresher: str = "") -> tuple[tuple[str, str], ...]:
    """Return the headers that ask for a session timer; none for 0 seconds."""
    if not seconds:
        return ()
    who = f";refresher={refresher}" if refresher else ""
    return (("supported", "timer"), ("session-expires", f"{seconds}{who}"))


def agreed(message: Message, *, we_asked: bool) -> SessionTimer:
    """Return the timer that a 2xx to us, or a request that we accept, begins (sections 7.2 and 9).

    The refresher is named by its part in this transaction: uac sent the request. Where it is not named the
    asker refreshes.
    """
    said = re.match(r"([0-9]{1,9})[ \t]*(?:;.*?refresher[ \t]*=[ \t]*(uac|uas))?",
                    message.header("session-expires"), re.I)  # fmt: skip
    if not said:
        return SessionTimer()
    refresher: Side = "we" if ((said[2] or "uac").lower() == "uac") == we_asked else "peer"
    return SessionTimer(int(said[1]), refresher, time.monotonic())


def least(message: Message) -> int:
    """Return the Min-SE of a 422 in seconds, 0 where it says none (section 5)."""
    said = re.match("[0-9]{1,9}", message.header("min-se"))
    return int(said[0]) if said else 0
