"""SIP as it was heard on a carrier's cable: messages, and the calls that they make."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from twin.wiretap import MESSAGES, VOICES

TOKEN = "X-Twin-Call"
"""The header that tells one of our calls from the others."""
NAMES = {0: "ulaw", 3: "gsm", 8: "alaw", 9: "g722", 18: "g729"}
"""Payload types that need no rtpmap (RFC 3551, section 6)."""
OTHER = {"pcmu": "ulaw", "pcma": "alaw"}
EVENTS = "telephone-event"
LATE = 1.0
"""Seconds that counts may come after the packets."""
_SHORT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "c": "content-type"}
_URI = re.compile(r"<([^>]+)>|((?:sips?|tel):[^;>\s]+)")
_USER = re.compile(r"(?:sips?|tel):([^@;>]*)")


@dataclass(frozen=True)
class Message:
    """One message; `source` and `target` are "address:port"."""

    at: float
    source: str
    target: str
    text: str

    @property
    def start(self) -> str:
        """Its first line."""
        return self.text.partition("\r\n")[0]

    @property
    def method(self) -> str:
        """What is asked; empty for an answer."""
        return "" if self.status else self.start.partition(" ")[0]

    @property
    def status(self) -> int:
        """What is answered; 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @cached_property
    def _headers(self) -> list[tuple[str, str]]:
        lines = self.text.partition("\r\n\r\n")[0].split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines)
        return [(_SHORT.get(n.strip().lower(), n.strip().lower()), v.strip()) for n, _, v in pairs]

    def header(self, name: str) -> str:
        """Return the first header of a name; empty where there is none."""
        return next((value for its, value in self._headers if its == name.lower()), "")

    def uri(self, name: str) -> str:
        """Return the URI of a header."""
        found = _URI.search(self.header(name))
        return (found[1] or found[2]) if found else ""

    def user(self, name: str) -> str:
        """Return the user of a header's URI."""
        return _user(self.uri(name))

    @property
    def sequence(self) -> tuple[int, str]:
        """Number and method of its CSeq."""
        number, _, method = self.header("cseq").partition(" ")
        return int(number or 0), method.strip()

    @cached_property
    def sdp(self) -> tuple[str, dict[int, str]]:
        """Where audio is wanted, and the codecs by payload type; ("", {}) without SDP."""
        body = self.text.partition("\r\n\r\n")[2]
        audio = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", body, re.MULTILINE)
        if not audio:
            return "", {}
        places = re.findall(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
        maps = {
            int(n): name.lower() for n, name in re.findall(r"^a=rtpmap:(\d+) ([^/\r\n]+)", body, re.MULTILINE)
        }
        types = [int(each) for each in audio[2].split()]
        codecs = {each: maps.get(each) or NAMES.get(each, str(each)) for each in types}
        named = {each: OTHER.get(name, name) for each, name in codecs.items()}
        return f"{places[-1] if places else ''}:{audio[1]}", named


@dataclass(frozen=True)
class Call:
    """One call as it was on the carrier's cable; times are seconds, `at` since the epoch."""

    number: str
    caller: str
    source: str
    """The carrier's address."""
    status: int
    """The last answer; 0 where there was none."""
    statuses: tuple[int, ...]
    answered: bool
    at: float
    seconds: float
    """From the answer to the end, or to what was heard last."""
    ended: str
    """Who ended it: carrier or pbx; empty while it goes on."""
    offered: tuple[str, ...]
    codec: str
    """What the voices were in; empty where none was heard."""
    sent: int
    received: int
    """RTP packets from the carrier, and to it."""
    media: str
    """Where the PBX says that it wants to hear."""
    heard_from: str
    """Where its voice came from."""
    contact: str
    via: str
    """The address that the PBX puts into its own requests; empty where it sent none."""
    identity: str
    """Who the PBX asserts the caller to be (RFC 3325)."""
    call_id: str

    @property
    def over(self) -> bool:
        """Say whether nothing more comes."""
        return bool(self.ended) or (self.status >= 300 and not self.answered)


@dataclass(frozen=True)
class Stream:
    """The packets of one voice."""

    source: str
    target: str
    payload: int
    count: int
    first: float
    last: float


@dataclass(frozen=True)
class Heard:
    """What was on one cable."""

    directory: Path

    def messages(self, since: float = 0) -> list[Message]:
        """Return the messages since a time."""
        try:
            lines = (self.directory / MESSAGES).read_text().splitlines()
        except OSError:
            return []
        every = (Message(**json.loads(line)) for line in lines if line.endswith("}"))
        return [message for message in every if message.at > since]

    def streams(self, until: float = 0) -> list[Stream]:
        """Return the voices, counted until a time that was; a second later at most as they are."""
        end, found = time.monotonic() + LATE, self._counted()
        while found["at"] < until and time.monotonic() < end:
            time.sleep(0.05)
            found = self._counted()
        every = (name.split() + counts for name, counts in found["voices"].items())
        return [
            Stream(source, target, int(payload), count, first, last)
            for source, target, payload, _, count, first, last in every
        ]

    def calls(self, messages: list[Message], own: tuple[str, ...]) -> Iterator[Call]:
        """Yield the calls that messages make, with their voices; `own` are the carrier's addresses."""
        if messages:
            yield from calls(messages, self.streams(messages[-1].at), own)

    def _counted(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.directory / VOICES).read_text())
        except (OSError, ValueError):
            return {"at": 0, "voices": {}}
        return found


def calls(messages: Iterable[Message], streams: list[Stream], own: tuple[str, ...]) -> Iterator[Call]:
    """Yield every call, in the order of their beginnings; `own` are the carrier's addresses."""
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.header("call-id"), []).append(message)
    for its in found.values():
        if its[0].method == "INVITE":
            yield _call(its, streams, own)


def _call(messages: list[Message], streams: list[Stream], own: tuple[str, ...]) -> Call:
    first = messages[0]
    outwards = _host(first.source) in own
    pbx = [m for m in messages if _host(m.source) not in own]
    answers = [m for m in messages if m.status and m.sequence[1] == "INVITE"]
    yes = next((m for m in answers if 200 <= m.status < 300), None)
    until = [m for m in answers if yes is None or m.at <= yes.at]
    bye = next((m for m in messages if m.method == "BYE"), None)
    mine = next((m.sdp[0] for m in messages if _host(m.source) in own and m.sdp[0]), "")
    end = bye.at if bye else messages[-1].at
    voices = [s for s in streams if mine in (s.source, s.target) and first.at <= s.first <= end + 1]
    came = [s for s in voices if s.target == mine]
    known = {number: name for m in messages for number, name in m.sdp[1].items()}
    last = bye.at if bye else max([messages[-1].at, *(s.last for s in voices)])
    named = [known.get(s.payload, "") for s in (came or voices)]
    return Call(
        number=_user(first.start.split()[1]),
        caller=first.user("from"),
        source=_host(first.source if outwards else first.target),
        status=until[-1].status if until else 0,
        statuses=tuple(dict.fromkeys(m.status for m in until)),
        answered=yes is not None,
        at=first.at,
        seconds=round(last - yes.at, 3) if yes else 0.0,
        ended=("carrier" if _host(bye.source) in own else "pbx") if bye else "",
        offered=tuple(name for name in first.sdp[1].values() if name != EVENTS),
        codec=next((name for name in named if name and name != EVENTS), ""),
        sent=sum(s.count for s in voices if s.source == mine),
        received=sum(s.count for s in came),
        media=next((m.sdp[0] for m in pbx if m.sdp[0]), ""),
        heard_from=came[-1].source if came else "",
        contact=next((m.uri("contact") for m in pbx if m.uri("contact")), ""),
        via=next((_sent_by(m.header("via")) for m in pbx if m.method), ""),
        identity=first.user("p-asserted-identity"),
        call_id=first.header("call-id"),
    )


def _host(place: str) -> str:
    return place.rpartition(":")[0]


def _user(uri: str) -> str:
    found = _USER.search(uri)
    return found[1] if found else ""


def _sent_by(via: str) -> str:
    words = via.split()
    return words[1].partition(";")[0] if len(words) > 1 else ""
