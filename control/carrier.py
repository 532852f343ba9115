"""The sheet for the carrier of a trunk: what it must know of us, as its own forms ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.console import Console
from control.sheet import Row, present
from control.show import said
from control.target import Target
from inventories.model import Asterisk, Host, RegisteringTrunk, Trunk
from inventories.model.trunk import SIP_PORTS

CODECS = {
    "ulaw": "G.711 mu-law (PCMU)", "alaw": "G.711 A-law (PCMA)", "g722": "G.722", "gsm": "GSM",
    "g729": "G.729", "opus": "Opus",
}  # fmt: skip


def carriers(target: Target, console: Console, name: str = "") -> None:
    """Show the sheet of each trunk of the chosen hosts, or of those of one name. No secret is in it."""
    for host, trunk in trunks_of(target, name):
        title = f"{trunk.name}, the carrier of {host.name}"
        present(console, host.name, trunk.name, title, sheet(target, host, trunk), notes(trunk))


def trunks_of(target: Target, name: str = "") -> list[tuple[Host, Trunk]]:
    """Return the trunks of the chosen hosts, or those of one name."""
    known = [(host, its) for host in target.hosts for its in (host.asterisk.trunks if host.asterisk else ())]
    return [(host, its) for host, its in known if name in ("", its.name)]


def sheet(target: Target, host: Host, trunk: Trunk) -> Iterator[Row]:
    """Yield part, field and value."""
    assert host.asterisk is not None
    address, port = str(host.address.ip), SIP_PORTS[trunk.transport]
    yield "", "Our server", f"{target.environment.name_of(host)}, {address}"
    yield "Signalling", "Transport", f"SIP over {trunk.transport.upper()}, port {port}"
    yield from _known_by(trunk, address)
    yield "Signalling", "Your calls come from", _shown(trunk.addresses) or "anywhere: none is declared"
    yield "Voices", "Our address and ports", f"{address}, UDP {said(host.asterisk.ports)}"
    yield "Voices", "Codecs, in this order", ", ".join(CODECS[each] for each in trunk.codecs)
    yield "Voices", "DTMF", "RFC 4733"
    yield from _numbers(host.asterisk, trunk)
    yield "Limits", "Calls at once", str(trunk.limits.calls)
    yield "Limits", "New calls a minute", str(trunk.limits.per_minute)
    yield "Limits", "Longest call", f"{trunk.limits.seconds} s"


def notes(trunk: Trunk) -> Iterator[str]:
    """Yield what a person must know besides the fields."""
    if trunk.addresses:
        yield "Ask for every address that its calls come from: one that is missing here is refused."
    else:
        yield "It names no address: SIP is open to everybody, and it is known by our registration alone."
    yield "A number that it writes otherwise than here, with or without +, rings nowhere (404)."


def _known_by(trunk: Trunk, address: str) -> Iterator[Row]:
    port = getattr(trunk, "port", 0)
    if isinstance(trunk, RegisteringTrunk):
        yield "Signalling", "You know us by", f"registration as {trunk.user}, for {trunk.expiry} s"
    else:
        yield "Signalling", "You know us by", f"our address {address}"
    for field, server in trunk.servers:
        kind = "" if field == "server" else f" ({field})"
        yield "Signalling", f"Our calls go to{kind}", f"{server}, port {port}"


def _numbers(asterisk: Asterisk, trunk: Trunk) -> Iterator[Row]:
    dids = [did for its in asterisk.tenants if its.trunk == trunk.name for did in its.dids]
    routes = [each for its in asterisk.tenants for each in its.routes if each.trunk == trunk.name]
    yield "Numbers", "They ring here", ", ".join(dids) or "none"
    yield "Numbers", "Our calls show", _shown(each.caller_id for each in routes) or "nothing: none goes out"


def _shown(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(each).removesuffix("/32") for each in values))
