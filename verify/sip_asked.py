"""What SIP answers to each party: every question is asked from its asker's own place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from inventories.model import Asterisk, Host, Route, Trunk
from verify.far import inside
from verify.observed import Observed
from verify.passwords import Passwords
from verify.vantage import Unseen, Vantage, throw_away
from verify.verdict import NotProven
from verify.web import trusted_roots

ECHO = "echo"
"""The extension that exists for verification alone."""
USER = "verify"
NOBODY = "trunkline-nobody"
"""A name that no part of a telephone exchange has."""
UNDIALLED = "442079460999"
"""A number that Ofcom keeps for drama: nobody has it."""
NOBODYS = ("+442079460555", "+12025550199")
"""Numbers that are kept for drama (Ofcom; NANPA 555-01XX): nobody is disturbed who could be."""
FILLERS = ("5550199", "2079460555", "5550199555", "3335550199")
"""What another number goes on with; a prefix may bar some."""
SAFE = re.compile(r"\+1[0-9]{3}55501[0-9]{2}|\+442079460[0-9]{3}")
"""What may be dialled outside a twin, where a call that gets through is a call."""
REHEARSE = "Rehearse: the twin has the carriers of every trunk, and a stranger."


@dataclass(frozen=True)
class Reply:
    """What one request brought to who sent it."""

    asker: str
    transport: str
    method: str
    uri: str
    status: int
    """The final status, 0 for silence."""
    meaning: str
    headers: tuple[tuple[str, str], ...]
    addresses: tuple[dict[str, Any], ...]
    certificate: dict[str, Any]

    def __str__(self) -> str:
        """Say it in a few words."""
        return (
            f"{self.asker} gets {self.status or self.meaning} to {self.method} {self.uri} by {self.transport}"
        )


@dataclass(frozen=True)
class Asked:
    """Everything that was asked of one host."""

    bare: tuple[Reply, ...]
    """The controller without a password."""
    known: tuple[Reply, ...]
    """The controller with the echo's password."""
    stranger: tuple[Reply, ...]
    carriers: dict[str, tuple[Reply, ...]]
    """OPTIONS for the numbers of its trunk, by the carrier's address."""
    outward: tuple[Reply, ...]
    """Everybody who calls a number outside."""
    unseen: tuple[str, ...]
    """What could not be asked, and why."""


def exchange(host: Host) -> Asterisk:
    """Return the declared telephony of a host that has it."""
    assert host.asterisk is not None
    return host.asterisk


def numbers(asterisk: Asterisk, trunk: Trunk) -> tuple[str, ...]:
    """Return the numbers that a trunk brings."""
    return tuple(did for each in asterisk.tenants if each.trunk == trunk.name for did in each.dids)


def dialled(route: Route) -> str:
    """Return a number that a route is for, costs no more than a call, and is nobody's where that is known."""
    every = (*(n for n in NOBODYS if n.startswith(route.prefix)), *(route.prefix + f for f in FILLERS))
    return next(number for number in every if not any(map(number.startswith, route.barred)))


def outside(asterisk: Asterisk, *, in_twin: bool) -> tuple[str, ...]:
    """Return a number of each kind that somebody here may dial: nobody outside may.

    Outside a twin only such as are nobody's: what gets through there would be a call, to 112 as well.
    """
    routes = (route for tenant in asterisk.tenants for route in tenant.routes)
    every = dict.fromkeys((*map(dialled, routes), *asterisk.emergency.numbers))
    return tuple(number for number in every if in_twin or SAFE.fullmatch(number))


def foreign_to(observed: Observed, host: Host) -> tuple[str, ...]:
    """Return the numbers outside that may be tried here."""
    return outside(exchange(host), in_twin=observed.environment.in_twin)


def names(asterisk: Asterisk) -> tuple[str, ...]:
    """Return names that are known here, and last one that is not."""
    dids = (did for tenant in asterisk.tenants for did in tenant.dids)
    trunks = (trunk.name for trunk in asterisk.trunks)
    return (ECHO, USER, *dict.fromkeys((*dids, *trunks)), NOBODY)


def places(observed: Observed, host: Host) -> dict[str, tuple[Trunk, Vantage, str]]:
    """Return the trunk, the place and the address of each machine of a carrier; none outside a twin.

    Only of trunks that name their addresses: at others somebody who asks unasked is a stranger, and banned.
    """
    if not observed.environment.in_twin:
        return {}
    from twin.carriers import carriers

    def at(trunk: Trunk, node: str, address: str) -> Vantage:
        return inside(observed.instance, node, observed.station, f"{trunk.name} {address}")

    return {
        address: (trunk, at(trunk, proxy.node, address), address)
        for each in carriers(observed.environment)
        for its, trunk in each.lines
        if its.name == host.name and trunk.addresses
        for proxy in each.proxies
        for address in proxy.addresses
    }


def addresses_of_carriers(observed: Observed, host: Host) -> tuple[str, ...]:
    """Return every address of every carrier of a host, declared or not; none outside a twin."""
    if not observed.environment.in_twin:
        return ()
    from twin.carriers import carriers

    every = (
        each for each in carriers(observed.environment) if any(h.name == host.name for h, _ in each.lines)
    )
    return tuple(address for each in every for address in each.addresses)


def sip_asked(observed: Observed, host: Host) -> Asked:
    """Ask everything of a host. Raises Unseen where not even the controller can."""
    asterisk, controller = exchange(host), observed.vantages["controller"]
    unseen: list[str] = []
    transports = tuple(each.upper() for each in asterisk.transports)
    ask = partial(_asked, str(host.address.ip))
    around, foreign = places(observed, host), foreign_to(observed, host)
    with ThreadPoolExecutor(4) as pool:
        bare = [pool.submit(ask, controller, method, names(asterisk), transports[:1]) for method in METHODS]
        known = pool.submit(_known, observed, host, transports, unseen)
        stranger = pool.submit(_stranger, observed, host, transports, unseen)
        carriers = {
            address: pool.submit(_carrier, ask, asterisk, trunk, place, address)
            for address, (trunk, place, _) in around.items()
        }
        outward = [
            pool.submit(ask, place, "INVITE", foreign, _plain(trunk), "--source", address)
            for trunk, place, address in _first_of_each(around)
        ]
        return Asked(
            tuple(reply for each in bare for reply in each.result()),
            tuple(reply for reply in known.result() if reply.method == "OPTIONS"),
            tuple(reply for reply in stranger.result() if reply.method == "OPTIONS"),
            {address: each.result() for address, each in carriers.items()},
            tuple(
                reply
                for each in (*outward, known, stranger)
                for reply in each.result()
                if reply.method == "INVITE"
            ),
            tuple(unseen),
        )


METHODS = ("OPTIONS", "INVITE", "REGISTER")
"""What the answers to names are compared by."""


def _first_of_each(
    around: dict[str, tuple[Trunk, Vantage, str]],
) -> Iterator[tuple[Trunk, Vantage, str]]:
    """Yield one address of each trunk."""
    yield from {each[0].name: each for each in reversed(around.values())}.values()


def _asked(
    address: str,
    place: Vantage,
    method: str,
    to: tuple[str, ...],
    transports: tuple[str, ...] = ("UDP",),
    *more: str,
    input: bytes | None = None,
) -> tuple[Reply, ...]:
    if not to:
        return ()
    words = [word for each in transports for word in ("--transport", each)]
    words += [word for each in to for word in ("--to", each)]
    seen = place.probe("sip", address, "--method", method, *words, *more, input=input, timeout=90)
    return tuple(
        Reply(
            place.name,
            each["transport"],
            method,
            each["uri"],
            each["answers"][-1]["status"],
            each["answers"][-1]["meaning"],
            tuple((name, value) for name, value in each["answers"][-1]["headers"]),
            tuple(each["answers"][-1]["addresses"]),
            each.get("certificate", {}),
        )
        for each in seen["looks"]
    )


def _carrier(
    ask: Callable[..., tuple[Reply, ...]], asterisk: Asterisk, trunk: Trunk, place: Vantage, address: str
) -> tuple[Reply, ...]:
    to = numbers(asterisk, trunk) or (NOBODY,)
    return ask(place, "OPTIONS", to, _plain(trunk), "--source", address)


def _plain(trunk: Trunk) -> tuple[str, ...]:
    """Return the transport that a carrier's place can speak: a twin's has no certificate."""
    return ("UDP" if trunk.transport == "tls" else trunk.transport.upper(),)


def _known(
    observed: Observed, host: Host, transports: tuple[str, ...], unseen: list[str]
) -> tuple[Reply, ...]:
    """Ask with the password; nothing where this place may not read it."""
    asterisk, controller = exchange(host), observed.vantages["controller"]
    try:
        password = password_of(observed, host)
    except NotProven as error:
        unseen.append(error.seen)
        return ()
    roots = trusted_roots(observed.environment, observed.instance)
    trust = ("--name", asterisk.tls_name, *(("--ca", roots) if roots else ())) if asterisk.tls_name else ()
    ask = partial(_asked, str(host.address.ip), controller, input=password)
    user = ("--user", USER, *map(str, trust))
    return (
        *ask("OPTIONS", (ECHO,), transports, *user),
        *ask("INVITE", foreign_to(observed, host), transports[:1], *user),
    )


def password_of(observed: Observed, host: Host) -> bytes:
    """Return the echo's password as a probe reads it. Raises NotProven where this place may not read it."""
    passwords: Passwords = observed.get("passwords", host, lambda o, _: Passwords(o.environment, o.instance))
    return f"{passwords.of(exchange(host).verification)}\n".encode()


def _stranger(
    observed: Observed, host: Host, transports: tuple[str, ...], unseen: list[str]
) -> tuple[Reply, ...]:
    """Ask few things from an address that is used once: they may count as an attack."""
    if "stranger" not in observed.vantages:
        unseen.append("no vantage point outside was declared")
        return ()
    place = observed.vantages["stranger"]
    ask = partial(_asked, str(host.address.ip), place)
    plain = tuple(each for each in transports if each != "TLS")
    try:
        number = foreign_to(observed, host)[:1]
        return (*ask("OPTIONS", (ECHO,), plain, *_quickly()), *ask("INVITE", number, plain[:1], *_quickly()))
    except Unseen as error:
        unseen.append(str(error))
        return ()


def _quickly() -> tuple[str, ...]:
    return ("--borrow", throw_away(), "--timeout", "2")
