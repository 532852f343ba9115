"""SIP through a tunnel: the message is made and its answer read here, the host only carries the bytes."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inventories.model import Host, Peer
from inventories.model.trunk import SIP_PORTS
from verify.collector import program
from verify.observed import Observed
from verify.probes.sip_grammar import Malformed
from verify.probes.sip_headers import Via
from verify.probes.sip_message import Response, build, read
from verify.probes.sip_request import of
from verify.probes.sip_transaction import is_answer, new_branch
from verify.snapshot import Snapshot
from verify.stacks import runs_as
from verify.tunnels import own_address, peers

PORT = SIP_PORTS["udp"]
SECONDS = 60


@dataclass(frozen=True)
class Question:
    """An OPTIONS request (RFC 3261, section 11) of one place for the PBX behind one peer."""

    peer: str
    place: str
    """The host's name, or a container's as `stack/service`."""
    container: Mapping[str, Any] | None
    source: str
    port: int
    branch: str
    data: bytes


@dataclass(frozen=True)
class Answer:
    """What became of it."""

    peer: str
    place: str
    source: str
    status: int = 0
    """The final response's, 0 where there was none."""
    why: str = ""
    """The response's own words, or why there was none."""
    seen_as: str = ""
    """The address that the PBX saw it come from, as its answer says (RFC 3261, section 18.2.1)."""
    unasked: str = ""
    """Why nobody could ask."""


@dataclass(frozen=True)
class BySip:
    """What the places of a host were answered by one peer's PBX, and what went through the tunnel for it."""

    peer: str
    answers: tuple[Answer, ...]
    least: Mapping[str, int]
    """What the SAs must have counted at least."""
    rose: Mapping[str, int]

    @property
    def uncounted(self) -> dict[str, int]:
        """What the SAs have counted too little of."""
        return {key: self.rose.get(key, 0) for key in self.least if self.rose.get(key, 0) < self.least[key]}


def by_sip(observed: Observed, host: Host) -> tuple[BySip, ...]:
    """Ask the PBX behind each peer, from the host and from each of its containers in its own network.

    Counters that fell short may have begun anew with new keys: then all is asked once more.
    """
    found = _asked(observed, host)
    return _asked(observed, host) if any(each.uncounted for each in found) else found


def _asked(observed: Observed, host: Host) -> tuple[BySip, ...]:
    asked = {peer.name: (peer, tuple(questions(host, peer))) for peer in peers(host) if peer.sip}
    request = {"sections": ["by_sip"], "by_sip": [_request(peer, its) for peer, its in asked.values()]}
    seen = Snapshot.read(json.loads(observed.connection(host).python(program(request), SECONDS)))
    return tuple(result(asked[each["peer"]][1], each) for each in seen["by_sip"])


def places(host: Host) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield the host itself, and each declared container that shares its network."""
    yield host.name, None
    for stack, each in host.compose.containers() if host.compose else ():
        if each.host_network:
            yield f"{stack.name}/{each.name}", {"stack": stack.name, "runs_as": list(runs_as(each))}


def questions(host: Host, peer: Peer) -> Iterator[Question]:
    """Yield a message for each place, each from a port of its own."""
    source, first = str(own_address(host, peer)), 20000 + secrets.randbelow(10000)
    for port, (place, container) in enumerate(places(host), first):
        branch = new_branch()
        via = Via("UDP", source, port, (("branch", branch), ("rport", None)))
        contact = ("contact", f"<sip:trunkline@{source}:{port}>")
        request = of(f"sip:trunkline@{source}", "OPTIONS", f"sip:{peer.answers}", headers=(contact,))
        data = build(replace(request, headers=(("via", str(via)), *request.headers)))
        yield Question(peer.name, place, container, source, port, branch, data)


def _request(peer: Peer, asked: tuple[Question, ...]) -> dict[str, Any]:
    """Return what the host is told."""
    return {
        "peer": peer.name, "address": str(peer.answers), "port": PORT, "source": asked[0].source,
        "places": [
            {"container": each.container, "port": each.port, "data": base64.b64encode(each.data).decode()}
            for each in asked
        ],
    }  # fmt: skip


def result(asked: tuple[Question, ...], seen: Mapping[str, Any]) -> BySip:
    """Return what came of the questions to one peer."""
    each = list(zip(asked, seen["heard"], strict=True))
    back = [base64.b64decode(text) for _, heard in each for text in heard["heard"]]
    least = {
        "packets-out": sum(heard["sent"] for _, heard in each), "packets-in": len(back),
        "bytes-out": sum(heard["sent"] * len(question.data) for question, heard in each),
        "bytes-in": sum(map(len, back)),
    }  # fmt: skip
    return BySip(seen["peer"], tuple(answer(*pair) for pair in each), least, seen["rose"])


def answer(asked: Question, heard: Mapping[str, Any]) -> Answer:
    """Read what one question brought."""
    nothing = Answer(asked.peer, asked.place, asked.source, unasked=heard["unasked"])
    why = heard["ended"] or "nothing came back"
    for data in (base64.b64decode(text) for text in heard["heard"]):
        try:
            message = read(data)
        except Malformed as error:
            why = f"what it said is no SIP: {error}"
            continue
        if not isinstance(message, Response) or not is_answer(message, asked.branch, "OPTIONS"):
            why = "what it said is no answer to this question"
        elif not message.final:
            why = f"only {message.status} {message.phrase}"
        else:
            via = message.vias[0]
            seen_as = via.received or via.host
            return replace(nothing, status=message.status, why=message.phrase, seen_as=seen_as)
    return replace(nothing, why=why)
