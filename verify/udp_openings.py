"""The truth of declared UDP openings: a responder on the host, asked from every place that we have.

A port that a daemon holds is asked in the daemon's own tongue instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from inventories.model import Environment, Host, Opening
from verify.connection import Unreachable
from verify.observed import Observed
from verify.probes.arguments import ports as ports_in
from verify.probes.arguments import ranges
from verify.probes.rtp import UdpRange, lines_of, udp_ranges
from verify.vantage import Unseen, Vantage, throw_away

TIMEOUT = 0.5
"""Seconds for one answer; a port that is silent is asked at least four times."""
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class UdpSeen:
    """What was seen of a host's UDP ports; `error` says why nobody could look."""

    ranges: tuple[UdpRange, ...] = ()
    answered: frozenset[tuple[str, str, int]] = frozenset()
    """Place, address and port where a daemon answered its own protocol."""
    error: str = ""


@dataclass
class Differences:
    """What is not as declared, what nobody could tell, and what nobody looks at."""

    wrong: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Left to others: a daemon's own probe, or a place that we have not."""
    used: list[str] = field(default_factory=list)
    """Of a range whose others answered: a call has them just now, and nobody can answer in its place."""


def udp_openings(host: Host, environment: Environment) -> list[Opening]:
    """Return the declared UDP openings."""
    return [opening for opening in host.openings(environment) if opening.protocol == "udp"]


def udp_seen(observed: Observed, host: Host) -> UdpSeen:
    """Ask every declared UDP port, and the ones just beside, from every place."""
    environment = observed.environment
    numbers = asked(host, environment)
    if not numbers:
        return UdpSeen()
    observed.snapshot(host)  # the responder is a listener too, which nobody declared
    public = [str(each.ip) for each in (host.address, host.address6) if each is not None]
    places = {name: vantage.prefix for name, vantage in observed.vantages.items()}
    tcp = {name: port for name in places if (port := _tcp(host, environment, name))}
    try:
        argv = observed.connection(host).argv
        seen = udp_ranges(public, numbers, argv, places, tcp=tcp, timeout=TIMEOUT)
    except (OSError, Unreachable) as error:
        return UdpSeen(error=str(error))
    held = [(each, port) for each in seen for port in ports_in(each.held) if port in DAEMONS]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda pair: _daemon(observed.vantages[pair[0].place], *pair), held)
        found = {(e.place, e.address, port) for (e, port), yes in zip(held, answers, strict=True) if yes}
    return UdpSeen(seen, frozenset(found))


def asked(host: Host, environment: Environment) -> list[int]:
    """Return the declared UDP ports and their neighbours, without those that lead into containers."""
    spans = [opening.ports for opening in udp_openings(host, environment)]
    wanted = {port for each in spans for port in range(each.first - 1, each.last + 2)}
    return sorted(port for port in wanted - published(host, environment) if 0 < port < 65536)


def published(host: Host, environment: Environment) -> set[int]:
    """Return the UDP ports whose packets the kernel hands to containers: no responder here gets them."""
    openings = host.compose.openings(host, environment) if host.compose else ()
    spans = [each.ports for each in openings if each.protocol == "udp"]
    return {port for each in spans for port in range(each.first, each.last + 1)}


def differences(host: Host, environment: Environment, seen: UdpSeen) -> Differences:
    """Hold what was seen against what is declared, for each place and address."""
    found = Differences()
    openings = udp_openings(host, environment)
    looked = [each for each in seen.ranges if each.source or not each.why]
    blind = {each.address: each.why for each in seen.ranges if each not in looked}
    found.unproven += [why for address, why in blind.items() if address not in {e.address for e in looked}]
    for each in looked:
        version = ip_address(each.address).version
        looking = _networks(each, environment, version)
        states = (each.open, each.closed, each.one_way, each.held, each.unproven)
        fates = {
            port: {_admits(o, looking, version) for o in openings if port in o.ports}
            for port in ports_in(",".join(states))
        }
        must = {port for port, each_one in fates.items() if True in each_one}
        must_not = {port for port, each_one in fates.items() if each_one <= {False}}
        spans = [set(range(o.ports.first, o.ports.last + 1)) for o in openings]
        _compare(each, must, must_not, seen, spans, found)
    if asked(host, environment) and not seen.ranges:
        found.unproven.append(seen.error or "nobody has looked at the UDP ports")
    found.left += [
        f"{each}: nobody looks from {_sources(each)}" for each in _unseen(openings, seen, environment)
    ]
    behind = published(host, environment)
    found.left += [f"udp {ranges(behind)}: their containers answer for themselves"] if behind else []
    return found


def _compare(
    each: UdpRange,
    must: set[int],
    must_not: set[int],
    seen: UdpSeen,
    spans: Iterable[set[int]],
    found: Differences,
) -> None:
    at = f"of {each.address}"
    answered = {
        port for place, address, port in seen.answered if (place, address) == (each.place, each.address)
    }
    reached, closed = set(ports_in(each.open)) | answered, set(ports_in(each.closed))
    one_way = set(ports_in(each.one_way))
    for numbers, words in (
        (must & closed, f"{at} is closed to the {each.place}"),
        (must & one_way, f"{at} hears the {each.place}, whom its answers do not reach"),
        (must_not & (reached | one_way), f"{at} is open to the {each.place}"),
    ):
        found.wrong += [f"udp {ranges(numbers)} {words}"] if numbers else []
    if unproven := must & set(ports_in(each.unproven)):
        found.unproven.append(f"udp {ranges(unproven)} {at} from the {each.place}: {each.why}")
    held = must & set(ports_in(each.held)) - answered
    if used := {port for span in spans if span & reached for port in span & held}:
        found.used.append(f"udp {ranges(used)} {at} from the {each.place}")
    if held := held - used:
        found.left.append(f"udp {ranges(held)} {at}: held by a process that did not answer the {each.place}")


def _networks(each: UdpRange, environment: Environment, version: int) -> list[Network]:
    """Return from which networks a place looks: the controller's may be hidden behind a NAT."""
    declared = [network for network in environment.controllers if network.version == version]
    return list(declared) if each.place == "controller" and declared else [ip_network(each.source)]


def _admits(opening: Opening, looking: Iterable[Network], version: int) -> bool | None:
    """Say whether an opening lets a place in; None where it does so for a part of it only."""
    if not opening.sources:
        return True
    sources = [source for source in opening.sources if source.version == version]
    parts = [[n for n in sources if _inside(place, n) or _inside(n, place)] for place in looking]
    if not any(parts):
        return False
    whole = all(any(_inside(place, n) for n in some) for place, some in zip(looking, parts, strict=True))
    return True if whole else None


def _inside(place: Network, source: Network) -> bool:
    return place.prefixlen >= source.prefixlen and place.network_address in source


def _unseen(openings: Iterable[Opening], seen: UdpSeen, environment: Environment) -> Iterator[Opening]:
    """Yield the limited openings that no place looks through."""
    for opening in openings:
        looks = (
            _admits(opening, _networks(each, environment, version), version)
            for each in seen.ranges
            for version in (ip_address(each.address).version,)
        )
        if opening.sources and seen.ranges and not any(looks):
            yield opening


def _sources(opening: Opening) -> str:
    return ", ".join(str(source) for source in opening.sources)


def _tcp(host: Host, environment: Environment, place: str) -> int | None:
    """Return a TCP port that a place may reach: the control where no UDP port answers."""
    if place == "controller":
        return host.ssh.port
    openings = (o for o in host.openings(environment) if o.protocol == "tcp" and not o.sources)
    return next((opening.ports.first for opening in openings), None)


def _daemon(vantage: Vantage, each: UdpRange, port: int) -> bool:
    try:
        return DAEMONS[port](vantage, each.address, port)
    except (Unseen, LookupError):
        return False


def _dns(vantage: Vantage, address: str, port: int) -> bool:
    seen = vantage.probe("dns", "trunkline.invalid", "--server", address, "--type", "A")
    return not seen["answers"][0]["error"]


def _ike(vantage: Vantage, address: str, port: int) -> bool:
    seen = vantage.probe("ike", address, "--port", str(port), "--timeout", "1.5")
    return seen["answers"][0]["verdict"] in ("accepted", "refused", "other")


def _sip(vantage: Vantage, address: str, port: int) -> bool:
    # An unknown caller's one request counts as several failures: the stranger asks from an address used once.
    where = ("--borrow", throw_away(ip_address(address).version)) if vantage.name == "stranger" else ()
    seen = vantage.probe("sip", address, "--port", str(port), *where)
    return bool(seen["looks"][0]["answers"][-1]["status"])


DAEMONS: dict[int, Callable[[Vantage, str, int], bool]] = {53: _dns, 500: _ike, 4500: _ike, 5060: _sip}
"""How the daemon that usually holds a port is asked."""


def evidence_of(seen: UdpSeen) -> dict[str, Any]:
    """Return what was seen, as a report keeps it."""
    kept = {f"udp {each.address} from {each.place}": " ".join(lines_of(each)) for each in seen.ranges}
    answered = sorted(f"{port} of {address} to {place}" for place, address, port in seen.answered)
    return {**kept, **({"daemons answered": answered} if answered else {})}
