"""A call that a carrier brings: begun by its Asterisk, told by what was on its cable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from control.errors import TrunklineError
from twin.asterisk import Asterisk
from twin.asterisk_conf import line_of
from twin.carriers import Carrier
from twin.sip_heard import TOKEN, Call, Heard, Message

CALLER = "+12025550100"
PATIENCE = 20.0
"""Seconds that an answer is waited for."""
PAUSE = 0.1
_BEGINS = 10.0
"""Seconds within which a call that was asked for is on the cable."""


class Outward:
    """One call from its beginning to its end."""

    def __init__(self, carrier: Carrier, machine: Asterisk, token: str, own: tuple[str, ...]) -> None:
        self.carrier = carrier
        self.machine = machine
        self.token = token
        self.own = own
        self._heard = Heard(machine.directory)
        self._since = time.time() - 1

    def begin(
        self,
        host: str,
        source: str,
        place: str,
        number: str,
        caller: str,
        seconds: float,
        codecs: Sequence[str],
        patience: float,
    ) -> None:
        """Begin it; return when its first message is on the cable."""
        line = line_of(self.carrier, self.machine.proxy, host, source)
        lines = {
            "Channel": f"PJSIP/{line}/{self._target(number, place)}",
            "CallerID": f"<{caller}>",
            "WaitTime": str(round(patience)),
            "MaxRetries": "0",
            "Account": self.token,
            "Context": "calling",
            "Extension": "s",
            "Priority": "1",
        }
        settings = [f"PJSIP_HEADER(add,{TOKEN})={self.token}", f"LENGTH={seconds:.3f}"]
        if codecs:
            settings += [f"PJSIP_MEDIA_OFFER(audio)=!all,{','.join(codecs)}"]
        self.machine.place(self.token, lines, settings)
        if not self._until(lambda: self._call() is not None, _BEGINS):
            raise TrunklineError(f"The carrier {self.carrier.name} does not call: {self.machine.said()}")

    def _target(self, number: str, place: str) -> str:
        if "@" in place or ";" in place or ":" in place:
            return f"sip:{number}@{place}"
        trunk = self.carrier.trunk
        how = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
        return f"sip:{number}@{place}{how}"

    def call(self) -> Call:
        """Return what became of it so far."""
        found = self._call()
        if found is None:
            raise TrunklineError(f"The carrier {self.carrier.name} forgot its call.")
        return found

    def answered(self, seconds: float = PATIENCE) -> bool:
        """Wait until it is answered or refused; say whether it is answered."""
        self._until(lambda: self.call().answered or self.call().over, seconds)
        return self.call().answered

    def ended(self, seconds: float) -> Call:
        """Wait until it is over, so many seconds at most, then hang up."""
        self._until(lambda: self.call().over or not self._on(), seconds)
        self.hang_up()
        return self.call()

    def hang_up(self) -> None:
        """End it from the carrier's side, where it goes on."""
        for name in self._channels():
            self.machine.ask(f"channel request hangup {name}")
        self._until(lambda: self.call().over or not self._on(), 5)

    def _on(self) -> bool:
        return bool(self._channels())

    def _channels(self) -> list[str]:
        rows = (row.split("!") for row in self.machine.ask("core show channels concise").splitlines())
        return [row[0] for row in rows if self.token in row]

    def _messages(self) -> list[Message]:
        every = self._heard.messages(self._since)
        mine = {m.header("call-id") for m in every if m.header(TOKEN) == self.token}
        return [message for message in every if message.header("call-id") in mine]

    def _call(self) -> Call | None:
        return next(self._heard.calls(self._messages(), self.own), None)

    def _until(self, claim: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not (true := claim()) and time.monotonic() < end:
            time.sleep(PAUSE)
        return true
