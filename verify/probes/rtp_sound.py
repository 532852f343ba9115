"""What the sound of a call came to: one record of numbers, and how it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from verify.probes.emodel import Quality, quality
from verify.probes.rtp_media import Address, Media
from verify.probes.sip_addresses import private

Hearing = Literal["both ways", "they do not hear us", "we do not hear them", "silence"]


@dataclass(frozen=True)
class Sound:
    """One call's media; times in milliseconds, shares from 0 to 1."""

    hearing: Hearing
    sent: int
    echoed: int
    """Packets of ours, proven by their tokens, that came back."""
    loss: float
    """Share that did not come back: both directions together."""
    late: int
    duplicates: int
    reordered: int
    others: int
    """Packets that came without a token of ours: sound of their own, or changed on the way."""
    round_trip_ms: tuple[float, float, float] | None
    """Least, middle and most."""
    jitter_ms: float
    """Of the stream that arrived, by its own timestamps (RFC 3550 A.8)."""
    path_jitter_ms: float
    """Of the way there and back alone: what our own sending adds is left out."""
    own_jitter_ms: float
    """What our own sending adds to `jitter_ms`, as measured in this call."""
    own_latest_ms: float
    """By how much the latest packet missed its moment."""
    far_loss: int | None
    """Packets that they miss of ours, as their RTCP says; None where it said nothing."""
    far_jitter_ms: float | None
    far_round_trip_ms: float | None
    reports: int
    """Their sender and receiver reports that arrived."""
    declared: str
    """Where their description says that media is."""
    declared_private: bool
    """Nobody outside its own network can reach that address."""
    seen_from: tuple[str, ...]
    """Where media really came from."""
    intruder_sent: int
    intruder_got: int
    """Packets that the second source got back: they follow whoever speaks last."""
    intruder_heard: int
    """Packets of the second source that were played to us."""
    quality: Quality | None

    @property
    def from_declared(self) -> bool:
        """Whether all that came was sent from where the description says."""
        return self.seen_from == (self.declared,)


def sound_of(media: Media, declared: Address) -> Sound:
    """Return what a finished run came to."""
    echoes, far = media.echoes, media.far
    trips = [trip * 1000 for trip in echoes.trips]
    sent, back = len(echoes.sent), len(trips)
    missed = (sent - back + echoes.late) / sent if sent else 0.0
    middle = trips[back // 2] if trips else 0.0
    return Sound(
        hearing=_hearing(media), sent=sent, echoed=back, loss=round(1 - back / sent, 4) if sent else 0.0,
        late=echoes.late, duplicates=echoes.duplicates, reordered=echoes.reordered, others=media.others,
        round_trip_ms=(_ms(trips[0]), _ms(middle), _ms(trips[-1])) if trips else None,
        jitter_ms=_ms(media.received.jitter.seconds * 1000) if media.received else 0.0,
        path_jitter_ms=_ms(echoes.jitter.seconds * 1000),
        own_jitter_ms=_ms(media.ours.jitter.seconds * 1000), own_latest_ms=_ms(media.latest * 1000),
        far_loss=far.lost if far else None, far_jitter_ms=_ms(far.jitter / 8) if far else None,
        far_round_trip_ms=None if media.far_trip is None else _ms(media.far_trip * 1000),
        reports=media.reports, declared=_written(declared), declared_private=private(declared[0]),
        seen_from=tuple(sorted(_written(source) for source in media.sources)),
        intruder_sent=media.theirs.count, intruder_got=media.intruder_got, intruder_heard=media.intruded,
        quality=quality(middle, missed, echoes.burst) if trips else None,
    )  # fmt: skip


def _hearing(media: Media) -> Hearing:
    """Tell who hears whom; an echo returns only what was heard, so their own sound or RTCP decides.

    Asterisk's Echo() that hears nothing sends neither: with `rtp_keepalive` on the endpoint it does, and what
    else were silence is told as "they do not hear us" (measured with Asterisk 22).
    """
    if media.echoes.back:
        return "both ways"
    if media.others:
        return "they do not hear us"
    return "we do not hear them" if media.far is not None else "silence"


def _written(address: Address) -> str:
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def _ms(value: float) -> float:
    return round(value, 3)


def lines_of(sound: Sound) -> Iterator[str]:
    """Yield what was heard, for a person."""
    yield f"  sound       {sound.hearing}: {sound.sent} packets sent, {sound.echoed} came back"
    order = f"{sound.duplicates} twice, {sound.reordered} out of order"
    yield f"  loss        {sound.loss:.1%}, {sound.late} late, {order}"
    if sound.round_trip_ms:
        least, mid, most = sound.round_trip_ms
        yield f"  round trip  {least:.1f} ms at least, {mid:.1f} ms in the middle, {most:.1f} ms at most"
    own = f"of it our own sending {sound.own_jitter_ms:.2f} ms, latest by {sound.own_latest_ms:.1f} ms"
    yield f"  jitter      {sound.jitter_ms:.2f} ms ({own}); the way alone {sound.path_jitter_ms:.2f} ms"
    if sound.far_loss is not None:
        trip = "" if sound.far_round_trip_ms is None else f", round trip {sound.far_round_trip_ms:.1f} ms"
        yield f"  they report {sound.far_loss} lost, jitter {sound.far_jitter_ms:.2f} ms{trip}"
    inside = " (private)" if sound.declared_private else ""
    origin = ", ".join(sound.seen_from) or "nowhere"
    yield f"  media       declared at {sound.declared}{inside}, came from {origin}"
    got = f"{sound.intruder_got} came back to it, {sound.intruder_heard} were played to us"
    yield f"  intruder    sent {sound.intruder_sent} packets: {got}"
    if sound.quality:
        yield f"  quality     MOS {sound.quality.mos:.2f}, R {sound.quality.r:.1f}"
        yield from (f"              assumed: {each}" for each in sound.quality.assumptions)
