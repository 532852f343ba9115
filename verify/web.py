"""What the world sees of a host's sites: handshakes, replies and names, each looked at once a host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

from control import places
from inventories.model import Environment, Host, Proxy, Rate, Site
from verify.observed import Observed
from verify.passwords import Passwords
from verify.probes.certificate import Certificate
from verify.probes.dns import Answer, lookup_all
from verify.probes.exchange import UNTRUSTED, Reply, Request
from verify.questions import STRAY, questions, with_password
from verify.vantage import Unseen, Vantage, throw_away
from verify.verdict import NotProven

SECONDS = 8


@dataclass(frozen=True)
class Socket:
    """One name at one address: what its TLS takes and serves, or why that could not be seen."""

    name: str
    address: str
    offer: dict[str, Any]
    served: dict[str, Any]

    @property
    def error(self) -> str:
        """Why no handshake was made, nothing when one was."""
        return str(self.served.get("error", ""))

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """The certificates as served."""
        return tuple(Certificate(**each) for each in self.served["chain"])


@dataclass(frozen=True)
class Sockets:
    """Every site's name at every address, and what strangers' names hear."""

    seen: tuple[Socket, ...]
    stray: dict[str, dict[str, str]]
    """By address: a name that is not ours (empty: none at all) to how its handshake ended."""


def addresses(host: Host) -> tuple[str, ...]:
    """Return the host's public addresses, v4 first."""
    return tuple(str(interface.ip) for _, interface in host.interfaces)


def outside(observed: Observed, host: Host) -> Vantage:
    """Return from where the sites are looked at: as a stranger where there is one.

    Raises NotProven where only load balancers may reach them.
    """
    if host.nginx and host.nginx.load_balancers:
        raise NotProven("only the load balancers may reach it", "a look from their place", gates=False)
    return observed.vantages.get("stranger", observed.vantages["controller"])


def names(host: Host) -> tuple[str, ...]:
    """Return every name of every site."""
    return tuple(name for site in (host.nginx.sites if host.nginx else ()) for name in site.names)


def trusted_roots(environment: Environment, instance: str) -> str | None:
    """Return the file of the roots that vouch for the sites: in a twin its own authority's."""
    return str(places.run() / instance / "acme-root.pem") if environment.in_twin else None


def sockets(observed: Observed, host: Host) -> Sockets:
    """Handshake with every name at every address. Raises NotProven where nobody could."""
    place, roots = outside(observed, host), trusted_roots(observed.environment, observed.instance)
    argv = [word for name in names(host) for word in ("--name", name)]
    argv += ["--stray", STRAY, "--stray", "", *(("--ca", roots) if roots else ())]
    seen: list[Socket] = []
    stray: dict[str, dict[str, str]] = {}
    for address in addresses(host):
        try:
            found = place.probe("tls", address, *argv, "--timeout", str(SECONDS))
        except Unseen as error:
            seen += [Socket(name, address, {}, {"error": str(error)}) for name in names(host)]
            continue
        seen += [Socket(e["name"], address, e["offer"], e["served"]) for e in found["names"]]
        stray[address] = found["stray"]
    return Sockets(tuple(seen), stray)


@dataclass(frozen=True)
class Replies:
    """What was answered at one address, by the label of the question."""

    address: str
    by_label: dict[str, Reply]
    without_password: str
    """Why nothing was asked with the right password; empty where it was."""

    def __getitem__(self, label: str) -> Reply:
        """Return one reply. Raises NotProven where it was not asked, or nothing came back."""
        if label not in self.by_label:
            raise NotProven(self.without_password or f"{label} was not asked", "an answer", gates=False)
        reply = self.by_label[label]
        if reply.error:
            untrusted = reply.error.startswith(UNTRUSTED)  # the chain's own check tells that
            raise NotProven(f"{reply.url} at {self.address}: {reply.error}", "an answer", gates=not untrusted)
        return reply

    def answered(self, words: str) -> Iterator[Reply]:
        """Yield the replies that came, of the questions whose label begins with these words."""
        found = (reply for label, reply in self.by_label.items() if label.startswith(words))
        yield from (reply for reply in found if reply.status)


def replies(observed: Observed, host: Host) -> tuple[Replies, ...]:
    """Ask everything at every address. Raises NotProven where nobody could."""
    place = outside(observed, host)
    asked = list(questions(host))
    known, why = _known(observed, host)
    with ThreadPoolExecutor(4) as pool:
        return tuple(pool.map(lambda a: _replies(observed, place, a, [*asked, *known], why), addresses(host)))


def _known(observed: Observed, host: Host) -> tuple[list[Request], str]:
    """Return the requests with the right password, or why there are none."""
    passwords = Passwords(observed.environment, observed.instance)
    try:
        return [
            request
            for site in (host.nginx.sites if host.nginx else ())
            for user in (site.auth.users if site.auth else ())
            for request in with_password(site, user, passwords.of(user.password))
        ], ""
    except NotProven as error:
        return [], error.seen


def _replies(observed: Observed, place: Vantage, address: str, asked: list[Request], why: str) -> Replies:
    """Send the requests; from a throw-away address where a stranger's wrong password would count."""
    roots = trusted_roots(observed.environment, observed.instance)
    secret = [request for request in asked if request.user]
    argv = [address, "--batch", "--timeout", str(SECONDS), *(("--ca", roots) if roots else ())]
    if place.name == "stranger":
        argv += ["--borrow", throw_away(ip_address(address).version)]
    open_ = [request for request in asked if not request.user]
    found: dict[str, Reply] = {}
    for part, more in ((open_, ("--trusting",)), (secret, ())):
        if part:
            found |= _batch(place, [*argv, *more], part)
    return Replies(address, found, why)


def _batch(place: Vantage, argv: list[str], requests: list[Request]) -> dict[str, Reply]:
    body = json.dumps([asdict(request) for request in requests]).encode()
    held = place.probe("http", *argv, input=body)
    seen = [
        Reply(**{**each, "headers": tuple(tuple(h) for h in each["headers"])}) for each in held["replies"]
    ]
    return {reply.label: reply for reply in seen}


def resolved(observed: Observed, host: Host) -> tuple[Answer, ...]:
    """Ask the controller's name server for every certificate's names, both address families."""
    asked = {name for each in host.certificates(observed.environment) for name in each.names}
    return lookup_all(sorted(asked), ("A", "AAAA"), timeout=3.0)


def burst(observed: Observed, host: Host, site: Site, proxy: Proxy, rate: Rate) -> list[int]:
    """Ask one path more often than is allowed, from a throw-away address; return the statuses."""
    url = f"https://{site.name}{proxy.path}"
    asked = [Request(url, str(n)) for n in range(rate.burst + 4 * rate.per_second + 10)]
    found = _replies(observed, outside(observed, host), str(host.address.ip), asked, "")
    return [reply.status for reply in found.by_label.values()]
