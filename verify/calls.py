"""Calls that are really made: in by a twin's carriers, out by its tenants, and to the echo.

Only a twin has carriers that nobody pays: elsewhere nobody calls in or out, and only the echo is called.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from control.errors import TrunklineError
from inventories.model import Environment, Host, RegisteringTrunk, Route, Tenant, Trunk
from verify.channels import APPLICATIONS, CHANNELS, ORIGINATE, RECORDED
from verify.observed import Observed
from verify.passwords import Passwords
from verify.sip_asked import ECHO, REHEARSE, USER, dialled, exchange, password_of
from verify.udp_openings import UdpSeen, udp_openings, udp_seen
from verify.verdict import NotProven

if TYPE_CHECKING:
    from twin.sip_heard import Call
    from twin.softswitch import Softswitch
    from twin.twin import Twin
    from verify.probes.rtp import UdpRange

SPOKEN = 2.0
"""Seconds of a call in, and of one out."""
ECHO_SECONDS = 6.0
"""Long enough for a report of Asterisk, which sends one every 5 s."""
RINGS = 10.0
"""Seconds within which a call is answered."""


@dataclass(frozen=True)
class Recorded:
    """A recording that a call left on the disk."""

    path: str
    bytes: int
    seconds: float
    loudest: int
    """The largest sample, of 32767; 0 is silence."""


@dataclass(frozen=True)
class Rung:
    """A call in, for one number, by the carrier that brings it."""

    trunk: str
    did: str
    tenant: str
    call: Call | None
    where: tuple[str, str] = ("", "")
    """The number and the Stasis arguments of the channel, as Asterisk itself has them while it goes on."""
    recorded: tuple[Recorded, ...] = ()
    error: str = ""
    absent: bool = False
    """Nobody stands at the trunk's other end whom one could call by."""


@dataclass(frozen=True)
class Made:
    """A call out, by one route of a tenant."""

    tenant: str
    route: Route
    number: str
    trunk: Trunk
    call: Call | None
    seconds: float = 0.0
    """From the order to the first answer of the carrier that took it."""
    error: str = ""
    absent: bool = False


def range_seen(host: Host, environment: Environment, seen: UdpSeen) -> list[UdpRange]:
    """Return what the places saw of the range for voices that may send there."""
    opening = next(o for o in udp_openings(host, environment) if o.ports == exchange(host).ports)
    address = str(host.address.ip)
    there = [each for each in seen.ranges if each.address == address and each.source]
    return [each for each in there if not opening.sources or each.place == "controller"]


def twin_of(observed: Observed) -> Twin:
    """Return the twin that is looked at. Raises NotProven outside one."""
    if not observed.environment.in_twin:
        raise NotProven("only a twin has carriers to call by", "a rehearsal", REHEARSE, gates=False)
    from twin.twin import Twin

    return Twin(observed.environment, observed.instance)


def carrier_of(observed: Observed, host: Host, trunk: Trunk) -> Softswitch | None:
    """Return the carrier that a trunk leads to; None where it leads to no public one, or to one over TLS."""
    twin = twin_of(observed)
    if trunk.transport == "tls":
        return None
    from twin.carriers import carriers

    lines = {each.name: [(h.name, t.name) for h, t in each.lines] for each in carriers(observed.environment)}
    name = next((name for name, ends in lines.items() if (host.name, trunk.name) in ends), None)
    return twin.carrier(name) if name else None


def on_host(observed: Observed, host: Host, program: str, timeout: float = 30) -> Any:
    """Return what a program says on the host, read as JSON. Raises Unreachable."""
    return json.loads(observed.connection(host).python(program, timeout))


@contextmanager
def answering(observed: Observed, host: Host) -> Iterator[None]:
    """Let the tenants' calls be answered: by their own applications, by a twin's where those are absent."""
    asterisk = exchange(host)
    there = on_host(observed, host, APPLICATIONS)
    absent = sorted({tenant.application for tenant in asterisk.tenants} - set(there))
    if not absent or asterisk.ari is None:
        yield
        return
    passwords: Passwords = observed.get("passwords", host, lambda o, _: Passwords(o.environment, o.instance))
    order = {
        "address": str(asterisk.ari.bind), "port": asterisk.ari.port, "user": asterisk.ari.user,
        "password": passwords.of(asterisk.ari.password), "applications": absent,
    }  # fmt: skip
    from subprocess import PIPE

    from verify.station import ROOT

    argv = [sys.executable, "-m", "twin.application"]
    begun = twin_of(observed).spawn(host.name, argv, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
    assert begun.stdin
    assert begun.stdout
    try:
        begun.stdin.write(json.dumps(order))
        begun.stdin.close()
        begun.stdout.readline()
        yield
    finally:
        begun.kill()
        begun.wait()


def rung(observed: Observed, host: Host) -> tuple[Rung, ...]:
    """Call every number by its carrier, one after the other. Raises NotProven where there is no carrier."""
    twin_of(observed)
    observed.get("udp_seen", host, udp_seen)  # it counts a port that a call holds as not proven
    with answering(observed, host):
        return tuple(
            _rung(observed, host, trunk, tenant, did)
            for tenant in exchange(host).tenants
            for did in tenant.dids
            if (trunk := exchange(host).trunk(tenant.trunk)) is not None
        )


def _rung(observed: Observed, host: Host, trunk: Trunk, tenant: Tenant, did: str) -> Rung:
    carrier = carrier_of(observed, host, trunk)
    if carrier is None:
        return Rung(trunk.name, did, tenant.name, None, absent=True)
    before = tuple(_recordings(observed, host, tenant, ()))
    where = ("", "")
    try:
        with carrier.calling(did, seconds=SPOKEN, host=host.name) as begun:
            if begun.answered(RINGS):
                where = _where(on_host(observed, host, CHANNELS), did)
            call = begun.ended(SPOKEN + 5)
    except TrunklineError as error:
        return Rung(trunk.name, did, tenant.name, None, error=error.message)
    recorded: tuple[Recorded, ...] = ()
    if tenant.recording and call.answered:
        recorded = _settled(observed, host, tenant, before)
    return Rung(trunk.name, did, tenant.name, call, where, recorded)


def _where(channels: list[list[str]], did: str) -> tuple[str, str]:
    """Return number and arguments of the channel that is in an application for this number.

    The columns of `core show channels concise`: name, context, extension, priority, state, application, data.
    """
    found = (row for row in channels if len(row) > 6 and row[5] == "Stasis" and did in row[6].split(","))
    return next(((row[2], row[6]) for row in found), ("", ""))


def _recordings(observed: Observed, host: Host, tenant: Tenant, known: tuple[str, ...]) -> dict[str, Any]:
    if not tenant.recording:
        return {}
    program = RECORDED.format(tenant=tenant.name, known=known)
    found: dict[str, Any] = on_host(observed, host, program)
    return found


def _settled(observed: Observed, host: Host, tenant: Tenant, known: tuple[str, ...]) -> tuple[Recorded, ...]:
    """Return the new recordings as soon as nothing is written to them any more; 3 s at most."""
    before: dict[str, Any] = {}
    end = time.monotonic() + 3
    while time.monotonic() < end:
        found = _recordings(observed, host, tenant, known)
        if found and found == before and all(each["bytes"] > 44 for each in found.values()):
            break
        before = found
        time.sleep(0.3)
    return tuple(Recorded(path, **each) for path, each in sorted(before.items()))


def made(observed: Observed, host: Host) -> tuple[Made, ...]:
    """Call out by every route of every tenant. Raises NotProven where there is no carrier."""
    twin_of(observed)
    observed.get("rung", host, rung)
    return tuple(
        call_out(observed, host, tenant, route, SPOKEN, 20.0)
        for tenant in exchange(host).tenants
        for route in tenant.routes
    )


def call_out(
    observed: Observed, host: Host, tenant: Tenant, route: Route, seconds: float, patience: float
) -> Made:
    """Let a tenant call out by a route and speak so many seconds; `patience` is for the answer."""
    trunk = exchange(host).trunk(route.trunk)
    assert trunk is not None
    number = dialled(route)
    carrier = carrier_of(observed, host, trunk)
    if carrier is None:
        return Made(tenant.name, route, number, trunk, None, absent=True)
    name, began = f"{number}@out-{tenant.name}", time.time()
    order = ORIGINATE.format(name=name, seconds=seconds, patience=patience)
    on_host(observed, host, order, patience + seconds + 20)
    taken = sent_as(route, number)
    calls = [call for call in carrier.calls() if call.at >= began and call.number == taken]
    answered = [call for call in calls if call.answered] or calls
    call = answered[-1] if answered else None
    return Made(tenant.name, route, number, trunk, call, round(call.at - began, 1) if call else 0.0)


def sent_as(route: Route, number: str) -> str:
    """Return the number that the carrier is asked for."""
    return f"{route.prepend or ''}{number[route.strip :]}"


def shown_as(trunk: Trunk, route: Route) -> dict[str, str]:
    """Return who the carrier must see: its own customer's name is in From where we register there."""
    caller = trunk.user if isinstance(trunk, RegisteringTrunk) else route.caller_id
    return {"caller": caller, "identity": route.caller_id}


def echoed(observed: Observed, host: Host) -> dict[str, Any]:
    """Call the echo from the controller with its password. Raises NotProven where that may not be read."""
    password = password_of(observed, host)
    observed.get("udp_seen", host, udp_seen)
    transport = next((t.upper() for t in exchange(host).transports if t != "tls"), "TLS")
    words = ("--to", ECHO, "--user", USER, "--transport", transport, "--seconds", str(ECHO_SECONDS))
    controller = observed.vantages["controller"]
    return controller.probe("call", str(host.address.ip), *words, input=password, timeout=60)
