"""The looks that checks share: each is made once a host, early, beside the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from control.piped import Piped
from inventories.model import Host
from verify import calls, crossing, sip_asked, web
from verify.collector import collect
from verify.connection import root_is_let_in
from verify.observed import Observed
from verify.probes.ssh import Login, NotSsh, Offer, offer_on, ssh_offer
from verify.seen_ports import Ports, stranger_sees
from verify.snapshot import Snapshot
from verify.udp_openings import udp_seen
from verify.vantage import Unseen, Vantage, throw_away
from verify.verdict import NotProven

STREAM_SECONDS = 20
"""How long it may take to be heard through jump hosts."""


@dataclass(frozen=True)
class Answers:
    """What sshd answered, and to whom: "stranger" or "controller"."""

    place: str
    logins: dict[str, tuple[Login, ...] | str]
    """By address; a string says why nothing could be tried there."""


def addresses(host: Host) -> tuple[str, ...]:
    """Return the host's public addresses, v4 first."""
    return tuple(str(i.ip) for i in (host.address, host.address6) if i is not None)


def stranger(observed: Observed) -> Vantage:
    """Return the vantage of somebody nobody declared. Raises NotProven where there is none."""
    if "stranger" not in observed.vantages:
        raise NotProven(
            "no vantage point outside was declared", "a look from a stranger's place",
            "Declare a vantage host, or rehearse: the twin has a stranger.", gates=False,
        )  # fmt: skip
    return observed.vantages["stranger"]


def live(observed: Observed, host: Host) -> Snapshot:
    """Return what the host shows from inside."""
    return observed.snapshot(host)


def asked_now(observed: Observed, host: Host) -> Snapshot:
    """Return what the host's applications and databases answer when they are asked."""
    return collect(observed.connection(host), observed.environment, "asked_now")


def offers(observed: Observed, host: Host) -> dict[str, Offer | str]:
    """Return what sshd offers on each address, or why nothing was heard, as the controller sees it.

    Where a jump host or a ProxyCommand is between, only the address that it leads to is looked at.
    """
    if stream := observed.way.stream(host):
        end = observed.way.end(host)
        return {end: _offer_behind(stream, f"{end} port {host.ssh.port}")}
    found: dict[str, Offer | str] = {}
    for address in addresses(host):
        try:
            found[address] = ssh_offer(address, host.ssh.port, timeout=4)
        except (OSError, NotSsh) as error:
            found[address] = str(error)
    return found


def _offer_behind(stream: Sequence[str], place: str) -> Offer | str:
    with contextlib.closing(Piped(stream)) as sock:
        if not sock.heard(STREAM_SECONDS):
            return sock.last_word() or f"no answer within {STREAM_SECONDS} s"
        sock.settimeout(4)
        try:
            return offer_on(sock, place)
        except (OSError, NotSsh) as error:
            return str(error)


def password_login(observed: Observed, host: Host) -> Answers:
    """Return what sshd answers to a random password on each address.

    A stranger tries it, from throw-away addresses, because the try counts as an attack; the controller does
    where few may knock, and where there is no stranger.
    """
    place = "controller" if host.ssh.sources or "stranger" not in observed.vantages else "stranger"
    if place == "controller" and (between := observed.way.said(host).through):
        raise NotProven(
            f"{between} is between: no password can be tried from here", "the answer to a random password",
            gates=False,
        )  # fmt: skip
    with ThreadPoolExecutor() as pool:
        seen = pool.map(lambda a: _logins(observed.vantages[place], host, a), addresses(host))
        return Answers(place, dict(zip(addresses(host), seen, strict=True)))


def _logins(vantage: Vantage, host: Host, address: str) -> tuple[Login, ...] | str:
    """Try a random password for the deploy user and for root on one address."""
    source = ("--borrow", throw_away(ip_address(address).version)) if vantage.name == "stranger" else ()
    users = [word for user in (host.users.deploy, "root") for word in ("--user", user)]
    where = ["--port", str(host.ssh.port), "--timeout", "8", "--password", *users]
    try:
        seen = vantage.probe("ssh", address, *where, *source)
    except Unseen as error:
        return str(error)
    return tuple(Login(**login) for login in seen["logins"])


def stranger_ports(observed: Observed, host: Host) -> dict[str, Ports]:
    """Return what a stranger sees of each address."""
    vantage = stranger(observed)
    with ThreadPoolExecutor() as pool:
        seen = pool.map(lambda a: stranger_sees(observed, host, vantage, a), addresses(host))
        return dict(zip(addresses(host), seen, strict=True))


def root_login(observed: Observed, host: Host) -> str:
    """Return what sshd answers the controller's own key for root."""
    observed.connection(host)
    return root_is_let_in(observed.way, host)


LOOKS: dict[str, Callable[[Observed, Host], Any]] = {
    "asked_now": asked_now,
    "live": live,
    "offers": offers,
    "password_login": password_login,
    "stranger_ports": stranger_ports,
    "udp_seen": udp_seen,
    "root_login": root_login,
    "sockets": web.sockets,
    "replies": web.replies,
    "resolved": web.resolved,
    "through": crossing.through,
    "arrivals": crossing.arrivals,
    "introductions": crossing.introductions,
    "on_the_cable": crossing.on_the_cable,
    "asked_by_sip": sip_asked.sip_asked,
    "echoed": calls.echoed,
    "rung": calls.rung,
    "made": calls.made,
}
"""By the name of the fixture that hands it over; what the chosen checks need is begun at once."""
