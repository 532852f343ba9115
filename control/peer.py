"""The sheet for the far side of a tunnel: what to set in the office's console, in UniFi's own field names.

Seen from there: its remote networks are our local ones. The names are those of UniFi Network at
Settings > VPN > Site-to-Site VPN > Create New; another gateway's console has the same values under its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from control.carrier import carriers, trunks_of
from control.console import Console
from control.errors import TrunklineError
from control.secrets import store_of
from control.sheet import Row, present
from control.target import Target
from inventories.model import Environment, Host, Secret
from inventories.model.ipsec import GROUP_NUMBERS, Certificates, EspProposal, IkeProposal
from inventories.model.strongswan import Peer

CONSOLE = "Settings > VPN > Site-to-Site VPN > Create New"
ENCRYPTION = {
    "aes128": "AES-128", "aes256": "AES-256", "aes128gcm16": "AES-128-GCM", "aes256gcm16": "AES-256-GCM",
    "chacha20poly1305": "ChaCha20-Poly1305",
}  # fmt: skip
HASH = {"sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"}


def peer(target: Target, console: Console, *, name: str = "", reveal: bool = False) -> None:
    """Show each peer's sheet, then each carrier's; secrets are stars unless `reveal`.

    Only a person may ask for that.
    """
    if reveal and console.as_json:
        raise TrunklineError(
            "--reveal does not go with --json: what programs read ends in files.",
            "Leave one of the two out.",
        )
    of_tunnels = any(name in ("", its.name) for _, its in tunnels(target))
    for host, its in peers_of(target, name) if of_tunnels or not trunks_of(target, name) else ():
        _show(target, console, host, its, reveal=reveal)
    carriers(target, console, name)


def _show(target: Target, console: Console, host: Host, its: Peer, *, reveal: bool) -> None:
    title = f"{its.name}, the far side of {host.name}: {CONSOLE}"
    rows, told = sheet(target, host, its, reveal=reveal), notes(host, its, reveal=reveal)
    present(console, host.name, its.name, title, rows, told)
    if reveal and its.certificates:
        _bundle(target, console, its, its.certificates)


def tunnels(target: Target) -> list[tuple[Host, Peer]]:
    """Return the peers of the chosen hosts."""
    return [
        (host, its) for host in target.hosts for its in (host.strongswan.peers if host.strongswan else ())
    ]


def peers_of(target: Target, name: str = "") -> list[tuple[Host, Peer]]:
    """Return the peers of the chosen hosts, or those of one name. Raises TrunklineError for none."""
    known = tunnels(target)
    if not known:
        raise TrunklineError(
            f"{', '.join(target.names)} of {target.environment.name} declare no tunnel.",
            "Add strongswan=Strongswan(peers=(Peer(...),)) to a host; docs/vpn.md shows one.",
        )
    chosen = [(host, its) for host, its in known if name in ("", its.name)]
    if not chosen:
        names = ", ".join(dict.fromkeys(its.name for _, its in known))
        raise TrunklineError(f"--peer names {name}, which nobody declares.", f"Peers: {names}.")
    return chosen


def far_names(its: Peer) -> tuple[str, str]:
    """Return the secrets' names of the far gateway's certificate and of its key."""
    return f"{its.name}_far_certificate", f"{its.name}_far_key"


def kept_beside(environment: Environment) -> set[str]:
    """Return the secrets that no host gets: the far gateways' certificates, and our authorities' keys."""
    peers = [each for host in environment.hosts if host.strongswan for each in host.strongswan.peers]
    proven = [(each, each.certificates) for each in peers if each.certificates]
    keys = {f"{ours.ca.name}_key" for _, ours in proven}
    return keys | {name for its, _ in proven for name in far_names(its)}


def sheet(target: Target, host: Host, its: Peer, *, reveal: bool) -> Iterator[Row]:
    """Yield part, field and value, in the console's order."""
    yield "", "VPN Type", "IPsec"
    yield "", "Name", target.environment.name_of(host)
    if its.psk:
        yield "", "Pre-Shared Key", _shown(target, its.psk, reveal=reveal)
    else:
        yield "", "Certificates", f"its own ({', '.join(far_names(its))}), and the authority to trust"
    yield "", "Local IP", _wan(its)
    yield "", "Remote IP / Host Name", str(host.address.ip)
    yield "", "VPN Method", "Policy Based"
    yield "", "Local Networks", ", ".join(map(str, its.remote))
    yield "", "Remote Networks", ", ".join(map(str, its.local))
    yield "Advanced", "Advanced", "Manual"
    yield "Advanced", "Key Exchange Version", "IKEv2"
    yield from _proposal("IKE", its.ike, its.ike_lifetime)
    yield from _proposal("ESP", its.esp, its.esp_lifetime)
    yield "Advanced", "Perfect Forward Secrecy (PFS)", "Enabled" if its.pfs else "Disabled"
    yield "Advanced", "Local Authentication ID", f"{its.id} (Auto unchecked)"
    yield "Advanced", "Remote Authentication ID", f"{its.own_id(host)} (Auto unchecked)"


def notes(host: Host, its: Peer, *, reveal: bool) -> Iterator[str]:
    """Yield what a person must know besides the fields."""
    if its.psk and not reveal:
        yield f"The pre-shared key is the secret {its.psk.name}; --reveal shows it, on this terminal only."
    if its.certificates:
        yield (
            "UniFi's console takes a pre-shared key only: certificates are for gateways that load files."
            + ("" if reveal else " `invoke secrets.certify` makes them; --reveal shows them.")
        )
    if any(each.combined for each in (its.ike, its.esp)):
        yield 'UniFi\'s console offers AES in CBC mode only: for such a gateway declare encryption="aes256".'
    if its.address is not None and its.id != str(its.address):
        yield (
            f"The gateway calls itself {its.id}: behind a NAT, forward UDP 500 and 4500 of {its.address}"
            " to it, else only the gateway can call."
        )
    if len(its.pairs) > 1:
        yield f"{len(its.pairs)} pairs of networks: the gateway needs a policy (child SA) for each of them."
    yield "After Apply open the tunnel again: firmware was seen to put Manual fields and IDs back to Auto."


def _proposal(part: str, proposal: IkeProposal | EspProposal, lifetime: int) -> Iterator[Row]:
    yield part, "Encryption", ENCRYPTION[proposal.encryption]
    yield part, "Hash", HASH[proposal.integrity]
    yield part, "DH Group", str(GROUP_NUMBERS[proposal.group]) if proposal.group else "none"
    yield part, "Lifetime", str(lifetime)


def _wan(its: Peer) -> str:
    if its.address is None:
        return "its WAN; the gateway calls, this host answers"
    return f"the WAN with {its.address}" if its.id == str(its.address) else f"the WAN behind {its.address}"


def _shown(target: Target, secret: Secret, *, reveal: bool) -> str:
    if not reveal:
        return f"*** ({secret.name})"
    return store_of(target).needed((secret,))[secret.name]


def _bundle(target: Target, console: Console, its: Peer, ours: Certificates) -> None:
    """Show the files that the far gateway loads: the authority, its own certificate and key."""
    store = store_of(target)
    if ours.ca.name in store.given:
        console.say("The twin makes its gateway's certificate itself.")
        return
    held = store.values()
    names = (ours.ca.name, *far_names(its))
    missing = [each for each in names if each not in held]
    if missing:
        raise TrunklineError(
            f"{its.name} has no {', '.join(missing)} yet.",
            f"`invoke secrets.certify --env {target.environment.name} --peer {its.name}` makes them.",
        )
    for each in names:
        console.title(each)
        console.say(held[each].rstrip())
