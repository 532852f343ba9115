"""Offer and answer of one audio stream (RFC 3264)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace

from verify.probes.sip_grammar import Malformed
from verify.probes.sip_sdp import DIRECTIONS, Attributes, Codec, Connection, Media, Origin, Session

PCMU, PCMA = Codec(0, "PCMU"), Codec(8, "PCMA")
EVENTS = Codec(101, "telephone-event")
"""Keys pressed, as RTP (RFC 4733)."""
MIRRORED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


def offer(
    address: str,
    port: int,
    codecs: Iterable[Codec] = (PCMU,),
    direction: str = "sendrecv",
    more: Attributes = (),
) -> Session:
    """Return an offer of one audio stream that is to be sent to this address and port."""
    formats, attributes = _formats(codecs, direction, more)
    return _session(Media("audio", port, formats, attributes=attributes), _connection(address))


def answer(offered: Session, address: str, port: int, codecs: Iterable[Codec] = (PCMU,)) -> Session:
    """Return the answer to an offer: its first audio with the codecs both have, all else refused.

    The offer's payload types and order are kept, its direction is mirrored (RFC 3264 section 6). Raises
    Malformed with the reason "body" where there is no codec in common.
    """
    chosen = offered.audio()
    known = {(codec.name.lower(), codec.clock, codec.channels) for codec in codecs}
    shared = [codec for codec in chosen.codecs if (codec.name.lower(), codec.clock, codec.channels) in known
              ] if chosen else []  # fmt: skip
    if not chosen or not any(codec.name != EVENTS.name for codec in shared):
        raise Malformed("body", "the offer has no audio that we can answer")
    formats, attributes = _formats(shared, MIRRORED[offered.direction(chosen)], ())
    taken = Media("audio", port, formats, chosen.protocol, attributes=attributes)
    media = tuple(
        taken if each is chosen else replace(each, port=0, connections=(), others=(), attributes=())
        for each in offered.media
    )
    return replace(_session(taken, _connection(address)), media=media)


def changed(session: Session, direction: str) -> Session:
    """Return a description again with another direction and the next version (RFC 3264 section 8)."""
    media = tuple(
        replace(
            each, attributes=(*((n, v) for n, v in each.attributes if n not in DIRECTIONS), (direction, None))
        )
        for each in session.media
    )
    return replace(session, origin=replace(session.origin, version=session.origin.version + 1), media=media)


def negotiated(offered: Session, answered: Session) -> tuple[Codec, ...]:
    """Return the codecs that may be sent to who answered, the preferred first; none where it refused.

    Raises Malformed with the reason "body" where the answer does not fit the offer (RFC 3264 section 6).
    """
    if [each.kind for each in offered.media] != [each.kind for each in answered.media]:
        raise Malformed("body", "the answer has other media sections than the offer")
    audio = answered.audio()
    if not audio:
        return ()
    asked = offered.media[answered.media.index(audio)]
    names = {codec.name.lower() for codec in asked.codecs}
    return tuple(codec for codec in audio.codecs if codec.name.lower() in names)


def _formats(codecs: Iterable[Codec], direction: str, more: Attributes) -> tuple[tuple[str, ...], Attributes]:
    listed = tuple(codecs)
    maps: Attributes = tuple(("rtpmap", f"{codec.number} {codec}") for codec in listed)
    keys: Attributes = tuple(
        ("fmtp", f"{codec.number} 0-16") for codec in listed if codec.name == EVENTS.name
    )
    return tuple(str(codec.number) for codec in listed), (
        *maps,
        *keys,
        ("ptime", "20"),
        (direction, None),
        *more,
    )


def _connection(address: str) -> Connection:
    return Connection(address, "IP6" if ":" in address else "IP4")


def _session(media: Media, connection: Connection) -> Session:
    return Session(Origin(connection, secrets.randbelow(1 << 31), 1), connection, (media,), "trunkline")
