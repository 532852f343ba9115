"""Call an echo and keep the call for longer than its session holds: who refreshes it, and does it live?

Session timers are RFC 4028's: without a refresh in time both sides hang up. A password is read from
SIP_PASSWORD or from stdin, never from the list of arguments.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from verify.probes.arguments import parser, show
from verify.probes.rtp_media import Media
from verify.probes.sip import password
from verify.probes.sip_digest import Credentials
from verify.probes.sip_flow import TRANSPORTS, Server, opened
from verify.probes.sip_grammar import Malformed, bracketed
from verify.probes.sip_invite import invite
from verify.probes.sip_offer import offer

LEAST = 90
"""Seconds: no session is shorter (RFC 4028, section 4)."""
SECONDS = 52.0
"""A little more than half of the shortest session, when its refresher speaks."""


@dataclass(frozen=True)
class Kept:
    """One call that was kept."""

    uri: str
    status: int
    interval: int
    """Seconds of the session that was agreed on; 0: it is never refreshed."""
    refresher: str
    """Who was to refresh it: we, peer, or nobody."""
    refreshes: tuple[tuple[str, str, int], ...]
    """Who did, by which method, with which status."""
    seconds: float
    """How long the call lived."""
    state: str
    why: str


def keep(server: Server, uri: str, credentials: Credentials | None, seconds: float, refresher: str) -> Kept:
    """Call a URI, wait for the refresh, refresh the session ourselves by UPDATE and INVITE, and hang up.

    Raises OSError where nothing can be sent from here, Malformed for a URI that is none.
    """
    with opened(server) as flow, Media(flow.here[0]) as media:
        offered = offer(flow.here[0], media.port)
        call = invite(flow, uri, offered, credentials=credentials, session=LEAST, refresher=refresher)
        dialog = call.dialog
        if dialog is None:
            said = call.final.phrase if call.final else call.outcomes[-1].why
            return Kept(uri, call.status, 0, "nobody", (), 0.0, "never answered", said)
        agreed, began = dialog.timer, time.monotonic()
        dialog.attend(seconds)
        for method in ("UPDATE", "INVITE"):
            if dialog.state == "alive":
                dialog.refresh(method)
        lived = round(time.monotonic() - began, 1)
        dialog.bye()
        who, every = agreed.refresher or "nobody", tuple(dialog.refreshes)
        return Kept(uri, call.status, agreed.seconds, who, every, lived, dialog.state, dialog.why)


def _lines(seen: Kept) -> Iterator[str]:
    yield f"{seen.uri}: {seen.status or 'no answer'}, lived {seen.seconds:.0f} s, {seen.state} {seen.why}"
    yield f"  session     {seen.interval} s, refreshed by {seen.refresher}"
    yield from (f"  refreshed   by {who}: {method} {status}" for who, method, status in seen.refreshes)


def main() -> int:
    """Print what became of the call; exit code 0 whatever it is, 1 when nobody could be called."""
    made = parser("verify.probes.sip_refresh", "Keep a call for longer than its session holds.")
    made.add_argument("--to", default="echo", help="the user or URI to call (default: echo)")
    made.add_argument("--transport", choices=TRANSPORTS, default="UDP")
    made.add_argument("--user", help="answer challenges; the password is in SIP_PASSWORD, or on stdin")
    made.add_argument("--seconds", type=float, default=SECONDS, help="before we refresh ourselves")
    made.add_argument("--refresher", choices=("uac", "uas"), default="uas", help="who shall (default: they)")
    given = made.parse_args()
    uri = given.to if ":" in given.to else f"sip:{given.to}@{bracketed(given.address)}"
    credentials = Credentials(given.user, password(given.user)) if given.user else None
    server = Server(given.address, 0, given.transport, source=given.source)
    try:
        seen = keep(server, uri, credentials, min(max(given.seconds, 0.5), 3600), given.refresher)
    except (OSError, Malformed) as error:
        sys.stderr.write(f"{given.address}: {getattr(error, 'strerror', None) or error}\n")
        return 1
    show(asdict(seen), list(_lines(seen)), as_json=given.json)
    return 0 if seen.status else 1


if __name__ == "__main__":
    raise SystemExit(main())
