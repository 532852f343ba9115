"""What arrived of a stream: loss by sequence, jitter by RFC 3550, and which of our own packets came back."""

from __future__ import annotations

from dataclasses import dataclass, field

from verify.probes.emodel import BUFFER_MS
from verify.probes.rtp_packet import Block, Rtp, middle

CLOCK = 8000


@dataclass
class Jitter:
    """The interarrival jitter of RFC 3550 (section 6.4.1, appendix A.8), in seconds."""

    seconds: float = 0.0
    _transit: float | None = None

    def take(self, arrival: float, timestamp: int) -> None:
        """Take one packet: when it came, and its timestamp (8 kHz)."""
        transit = arrival - timestamp / CLOCK
        if self._transit is not None:
            apart = transit - self._transit
            apart -= round(apart / (2**32 / CLOCK)) * (2**32 / CLOCK)  # the timestamp began anew
            self.seconds += (abs(apart) - self.seconds) / 16
        self._transit = transit


@dataclass
class Received:
    """One source's packets by their sequence numbers (appendices A.1 and A.3)."""

    ssrc: int
    first: int
    highest: int
    count: int = 0
    jitter: Jitter = field(default_factory=Jitter)
    last: int = 0
    heard: float = 0.0
    """The source's last sender report, and when it came (Unix seconds)."""
    _before: tuple[int, int] = (0, 0)

    @classmethod
    def begun(cls, packet: Rtp) -> Received:
        """Begin with a source's first packet."""
        return cls(packet.ssrc, packet.sequence, packet.sequence - 1)

    def take(self, arrival: float, packet: Rtp) -> None:
        """Count a packet."""
        step = (packet.sequence - self.highest) & 0xFFFF
        if step < 0x8000:
            self.highest += step
        self.count += 1
        self.jitter.take(arrival, packet.timestamp)

    @property
    def expected(self) -> int:
        """How many packets the source has sent, by their numbers."""
        return self.highest - self.first + 1

    def block(self, now: float) -> Block:
        """Return what we report to the source; fraction: since the report before."""
        expected, count = self.expected - self._before[0], self.count - self._before[1]
        self._before = (self.expected, self.count)
        fraction = max(0.0, min(255 / 256, 1 - count / expected)) if expected > 0 else 0.0
        since = now - self.heard if self.last else 0.0
        jitter = int(self.jitter.seconds * CLOCK)
        return Block(self.ssrc, fraction, self.expected - self.count, self.highest, jitter, self.last, since)

    def reported(self, ntp: float, now: float) -> None:
        """Note a sender report of the source."""
        self.last, self.heard = middle(ntp), now


@dataclass
class Echoes:
    """Which of our own packets came back, and when. Its size is bounded by what was sent."""

    sent: list[float] = field(default_factory=list)
    """When each was sent (Unix seconds)."""
    back: dict[int, float] = field(default_factory=dict)
    duplicates: int = 0
    reordered: int = 0
    jitter: Jitter = field(default_factory=Jitter)
    """Of the way there and back alone: against when each was really sent, not when it should have been."""
    _highest: int = -1

    def take(self, index: int, arrival: float) -> None:
        """Take an echo; one of a packet that was never sent is none."""
        if index >= len(self.sent):
            return
        if index in self.back:
            self.duplicates += 1
            return
        self.back[index] = arrival
        self.jitter.take(arrival - self.sent[index], 0)
        self.reordered += index < self._highest
        self._highest = max(self._highest, index)

    @property
    def lost(self) -> list[int]:
        """The packets that did not come back."""
        return [index for index in range(len(self.sent)) if index not in self.back]

    @property
    def trips(self) -> list[float]:
        """Round trips in seconds, sorted."""
        return sorted(max(0.0, at - self.sent[index]) for index, at in self.back.items())

    @property
    def late(self) -> int:
        """How many came too late for a listener's buffer, counted from the fastest."""
        trips = self.trips
        return sum(trip > trips[0] + BUFFER_MS / 1000 for trip in trips)

    @property
    def burst(self) -> float:
        """Return BurstR: how long losses are, to how long random ones would be (G.107 section 7.5)."""
        lost, gone = self.lost, set(self.lost)
        runs = sum(index - 1 not in gone for index in lost)
        share = len(lost) / len(self.sent) if self.sent else 0.0
        return max(1.0, len(lost) / runs * (1 - share)) if runs else 1.0
