"""Call an echo and listen: does the sound go both ways, how good is it, and who else is let into it.

A password is read from SIP_PASSWORD or from stdin, never from the list of arguments.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from verify.probes.arguments import parser, show
from verify.probes.rtp_media import Media
from verify.probes.rtp_sound import Sound, lines_of, sound_of
from verify.probes.sip import PASSWORD, password
from verify.probes.sip_dialog import Dialog
from verify.probes.sip_digest import Credentials
from verify.probes.sip_flow import TRANSPORTS, Server, opened
from verify.probes.sip_grammar import Malformed, bracketed
from verify.probes.sip_invite import invite
from verify.probes.sip_offer import offer

SECONDS = 8.0
"""Long enough for a report of Asterisk, which sends one every 5 s."""


@dataclass(frozen=True)
class EchoCall:
    """One call to an echo."""

    uri: str
    status: int
    """The final answer to the INVITE, 0 where there was none."""
    why: str
    """Why there was no sound to listen to; empty where there was."""
    statuses: tuple[int, ...]
    """All answers, provisional ones among them."""
    setup_seconds: float
    ended: str
    """How the call ended: "we hung up", or what else."""
    sound: Sound | None = None


def call_echo(
    server: Server,
    uri: str,
    *,
    seconds: float = SECONDS,
    credentials: Credentials | None = None,
    caller: str = "",
    media_address: str | None = None,
    intruder: str | None = None,
    patience: float = 20.0,
) -> EchoCall:
    """Call a URI that echoes, send tokened sound for `seconds`, and hang up.

    `media_address`: our own address for media (default: that of the signalling); `intruder`: another address
    of ours that the second source sends from. Raises OSError where nothing can be sent from here, Malformed
    for a URI that is none.
    """
    with opened(server) as flow, Media(media_address or flow.here[0], intruder) as media:
        offered = offer(media_address or flow.here[0], media.port)
        call = invite(flow, uri, offered, credentials=credentials, caller=caller, patience=patience)
        tried = call.outcomes[-1]
        statuses = tuple(each.status for outcome in call.outcomes for each in outcome.responses)
        made: dict[str, Any] = {"uri": uri, "status": call.status, "statuses": statuses,
                                "setup_seconds": round(sum(o.seconds for o in call.outcomes), 3)}  # fmt: skip
        if call.dialog is None:
            said = f"{call.final.status} {call.final.phrase}" if call.final else tried.why or tried.ending
            return EchoCall(**made, why=said, ended="never answered")
        why, heard = _listen(call.dialog, media, seconds)
        call.dialog.bye()
        return EchoCall(**made, why=why, ended=call.dialog.state, sound=heard)


def _listen(dialog: Dialog, media: Media, seconds: float) -> tuple[str, Sound | None]:
    """Send and hear while another thread keeps the dialog; return why not, or what was heard."""
    audio = dialog.remote.audio() if dialog.remote else None
    if dialog.remote is None or audio is None:
        return dialog.garbled or "the answer describes no sound", None
    if 0 not in (codec.number for codec in audio.codecs):
        return f"the answer offers {', '.join(map(str, audio.codecs)) or 'no codec'} instead of PCMU", None
    declared = (dialog.remote.address(audio), audio.port)
    said = audio.attribute("rtcp") or ""
    port = int(said.split(" ")[0]) if said.split(" ")[0].isdecimal() else audio.port + 1
    done = threading.Event()

    def keep() -> None:
        while not done.is_set() and dialog.attend(0.2) == "alive":
            continue

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        media.run(declared, (declared[0], min(port, 65535)), seconds, lambda: dialog.state == "alive")
    finally:
        done.set()
        keeper.join()
    return "", sound_of(media, declared)


def _lines(seen: EchoCall) -> Iterator[str]:
    yield f"{seen.uri}: {seen.status or 'no answer'}{f' ({seen.why})' if seen.why else ''}, {seen.ended}"
    if seen.sound:
        yield from lines_of(seen.sound)


def main() -> int:
    """Print what was heard; exit code 0 whatever it is, 1 when nobody could be called."""
    arguments = parser("verify.probes.call", "Call an echo extension and measure the sound both ways.")
    arguments.add_argument("--to", default="echo", help="the user or URI to call (default: echo)")
    arguments.add_argument("--transport", choices=TRANSPORTS, default="UDP")
    arguments.add_argument("--port", type=int, default=0, help="another port than 5060, by TLS 5061")
    arguments.add_argument("--caller", default="", metavar="URI", help="who calls, in From")
    arguments.add_argument("--user", help=f"answer challenges; the password is in {PASSWORD}, or on stdin")
    arguments.add_argument("--seconds", type=float, default=SECONDS, help=f"of sound (default {SECONDS:.0f})")
    arguments.add_argument("--media", metavar="ADDRESS", help="our own address for media")
    arguments.add_argument("--intruder", metavar="ADDRESS", help="where the second source sends from")
    given = arguments.parse_args()
    uri = given.to if ":" in given.to else f"sip:{given.to}@{bracketed(given.address)}"
    credentials = Credentials(given.user, password(given.user)) if given.user else None
    server = Server(given.address, given.port, given.transport, source=given.source)
    try:
        seen = call_echo(
            server, uri, seconds=min(max(given.seconds, 0.5), 3600), credentials=credentials,
            caller=given.caller, media_address=given.media, intruder=given.intruder,
        )  # fmt: skip
    except (OSError, Malformed) as error:
        sys.stderr.write(f"{given.address}: {getattr(error, 'strerror', None) or error}\n")
        return 1
    show(asdict(seen), list(_lines(seen)), as_json=given.json)
    return 0 if seen.status else 1


if __name__ == "__main__":
    raise SystemExit(main())
