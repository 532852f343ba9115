"""What a final response, or the lack of one, says of a SIP server."""

from __future__ import annotations

from typing import Literal

from verify.probes.sip_transaction import Ending, Outcome

Meaning = Literal[
    "ready", "routing wrong", "challenged", "refused", "draining", "failing", "dead", "banned or dropped"
]
STATUSES: dict[int, Meaning] = {
    401: "challenged", 407: "challenged",
    404: "routing wrong", 410: "routing wrong", 416: "routing wrong", 482: "routing wrong",
    483: "routing wrong", 484: "routing wrong", 485: "routing wrong", 502: "routing wrong",
    604: "routing wrong", 503: "draining",
}  # fmt: skip
"""What single statuses mean. Asterisk 22 answers OPTIONS with 200, 404 for an extension that its context has
not, 401 to an address that it does not know, 416 for a foreign scheme and 503 while it shuts down."""
CLASSES: dict[int, Meaning] = {2: "ready", 3: "routing wrong", 4: "refused", 5: "failing", 6: "refused"}
ENDINGS: dict[Ending, Meaning] = {
    "refused": "dead", "closed": "dead", "garbled": "dead", "insecure": "dead",
    "unreachable": "banned or dropped", "silent": "banned or dropped",
}  # fmt: skip
WORDS: dict[Ending, str] = {
    "refused": "nobody listens on the port, or a rule rejects",
    "closed": "it took the connection and closed it without an answer",
    "garbled": "what it said is no SIP",
    "insecure": "no TLS could be agreed on",
    "unreachable": "the network or a filter on the way said no",
    "silent": "nothing came back: a filter drops it, the asker is banned, or the host is gone",
}


def meaning(outcome: Outcome, *, connected: bool = True) -> Meaning:
    """Return what a request's end says of the server.

    A server that took the connection and then says nothing is dead; without a connection silence is the work
    of a filter as well as of a dead host, and nothing from one place can tell them apart.
    """
    if outcome.cancelled and outcome.status == 487:
        return "ready"
    if outcome.final:
        return STATUSES.get(outcome.status) or CLASSES[outcome.status // 100]
    if outcome.ending == "silent" and (outcome.responses or connected):
        return "dead"
    return ENDINGS[outcome.ending]


def why(outcome: Outcome, *, connected: bool = True) -> str:
    """Return the reason in words: the server's own, or what is known of its silence."""
    if outcome.cancelled and outcome.status == 487:
        return "it rang until the call was cancelled"
    if outcome.final:
        return outcome.final.phrase
    if outcome.ending == "silent" and (outcome.responses or connected):
        return f"it takes what is sent, and does not answer ({outcome.why})"
    return f"{WORDS[outcome.ending]} ({outcome.why})"
