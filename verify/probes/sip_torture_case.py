"""One case of a torture test: a message of our own making, and what is wanted of who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from verify.probes.sip_grammar import Reason


@dataclass(frozen=True)
class Case:
    """A message for one case of RFC 4475 or RFC 5118."""

    name: str
    """As the RFC calls it."""
    section: str
    about: str
    wanted: Reason | None
    """None: to be accepted by a parser; else what it is to be refused for."""
    status: int
    """What the RFC lets a server answer; 0: nothing, or whatever it would answer to the like."""
    text: str
    """Lines with LF; `@here@`, `@there@`, `@run@` and `@length@` are filled in."""
    rfc: int = 4475

    def message(self, here: str, there: str, run: str) -> bytes:
        """Return the message as it is sent.

        `here` and `there`: our end and the server, as host or host:port; `run`: what makes branch, tag and
        Call-ID different from those of another run.
        """
        text = self.text.replace("@here@", here).replace("@there@", there)
        data = text.replace("@run@", f"{run}{self.name}").replace("\n", "\r\n")
        encoded = data.encode("utf-8", "surrogateescape")
        return encoded.replace(b"@length@", str(len(encoded.partition(b"\r\n\r\n")[2])).encode())


HEADERS = {
    "via": "Via: SIP/2.0/UDP @here@;rport;branch=z9hG4bK@run@",
    "forwards": "Max-Forwards: 70",
    "sender": "From: <sip:tester@@here@>;tag=@run@",
    "to": "To: <sip:torture@@there@>",
    "call": "Call-ID: @run@",
    "cseq": "CSeq: 7 {method}",
    "contact": "Contact: <sip:tester@@here@>",
}


def request(method: str, *more: str, start: str = "", uri: str = "sip:torture@@there@", body: str = "",
            length: str = "Content-Length: @length@", **instead: str) -> str:  # fmt: skip
    """Return a request that has nothing wrong with it, but for what is said.

    `instead` replaces a header by its key in HEADERS, "" leaves it out; `more` stands before Content-Length.
    """
    first = start or f"{method} {uri} SIP/2.0"
    return _message(first, method, more, length, body, instead)


def response(first: str, method: str, *more: str, **instead: str) -> str:
    """Return a response in the same way."""
    return _message(first, method, more, "Content-Length: @length@", "", {"contact": "", **instead})


def _message(
    first: str, method: str, more: tuple[str, ...], length: str, body: str, instead: dict[str, str]
) -> str:
    assert instead.keys() <= HEADERS.keys()
    headers = {**HEADERS, **instead}
    kept = (line.replace("{method}", method) for line in headers.values() if line)
    return "\n".join((first, *kept, *more, *((length,) if length else ()), "", body))


SDP = "v=0\no=tester 8 1 IN IP4 192.0.2.61\ns=-\nc=IN IP4 192.0.2.61\nt=0 0\nm=audio 40002 RTP/AVP 0\n"
"""A body that has nothing wrong with it."""
SDP_TYPE = "Content-Type: application/sdp"
