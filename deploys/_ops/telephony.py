"""Telephony as the templates want it: what pjsip.conf and extensions.conf call what the model says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from deploys._ops.dialplan import Plan, Ring, Way, lines_of, recording
from deploys._ops.modules import UNLOADED
from deploys._ops.render import render
from inventories.model import Ami, AmiUser, Ari, Asterisk, Emergency, Environment, Host, PortRange, Trunk
from inventories.model.asterisk import LOG
from inventories.model.trunk import SIP_PORTS, RegisteringTrunk

PROGRAM = "/usr/local/lib/trunkline/asterisk"
KEYS = "/etc/asterisk/keys"
VERIFICATION, NOWHERE = "verification", "nowhere"
ECHO_SECONDS, ECHO_CALLS = 60, 2
"""What a call of `invoke verify` may be, at most."""


@dataclass(frozen=True)
class Credential:
    """An auth section of pjsip.conf; its value is filled in for the file of secrets alone."""

    name: str
    user: str
    value: str = ""


@dataclass(frozen=True)
class Line:
    """An endpoint of pjsip.conf with what belongs to it."""

    name: str
    why: str
    transport: str
    context: str
    codecs: str
    addresses: tuple[IPv4Network, ...]
    server: str = ""
    port: int = 5060
    user: str = ""
    expiry: int = 0
    registers: bool = False
    permitted: tuple[IPv4Network, ...] = ()
    """Who may be this line, however it was told from others; empty: anybody."""
    caller: bool = False
    """A client that calls from behind whatever there is: answered where its packets come from."""

    @property
    def credentials(self) -> str:
        """The section that proves who we are there."""
        return f"{self.name}-auth"

    @property
    def contact(self) -> str:
        """Where calls to it are sent."""
        how = "" if self.transport == "udp" else f"\\;transport={self.transport}"
        return f"sip:{self.server}:{self.port}{how}"

    @property
    def rewrites_contact(self) -> str:
        """Whether its Contact is believed."""
        return "yes" if self.caller else "no"

    @property
    def sends_identity(self) -> str:
        """Whether it is told who calls (RFC 3325)."""
        return "no" if self.caller else "yes"

    @property
    def more(self) -> tuple[tuple[str, str], ...]:
        """What only some lines have."""
        found = [("deny", "0.0.0.0/0")] if self.permitted else []
        found += [("permit", str(network)) for network in self.permitted]
        if self.caller:
            return (*found, ("auth", f"{self.name}-auth"))
        found.append(("aors", self.name))
        if self.registers:
            found += [
                ("outbound_auth", self.credentials),
                ("from_user", self.user),
                ("from_domain", self.server),
            ]
        return tuple(found)


@dataclass(frozen=True)
class UserOfAmi:
    """A program at AMI; its value is filled in for the file of secrets alone."""

    declared: AmiUser
    value: str = ""


@dataclass(frozen=True)
class Exchange:
    """All of a host's telephony, as the templates want it."""

    declared: Asterisk
    name: str
    realm: str
    address: str
    lines: tuple[Line, ...]
    plans: tuple[Plan, ...]
    local_networks: tuple[IPv4Network, ...]
    credentials: tuple[Credential, ...]
    ami_users: tuple[UserOfAmi, ...] = ()
    ari_password: str = ""
    dialplan_digest: str = ""
    program: str = PROGRAM
    verification: str = VERIFICATION
    nowhere: str = NOWHERE
    echo_seconds: int = ECHO_SECONDS
    echo_calls: int = ECHO_CALLS
    unloaded: tuple[str, ...] = UNLOADED
    certificate: str = f"{KEYS}/trunkline.crt"
    key: str = f"{KEYS}/trunkline.key"

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports, each also the name of its section."""
        return self.declared.transports

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """The trunks as declared."""
        return self.declared.trunks

    @property
    def ports(self) -> PortRange:
        """The ports for voices."""
        return self.declared.ports

    @property
    def ari(self) -> Ari | None:
        """The interface for applications."""
        return self.declared.ari

    @property
    def ami(self) -> Ami | None:
        """The interface for programs."""
        return self.declared.ami

    @property
    def emergency(self) -> Emergency:
        """Emergency numbers and where they go."""
        return self.declared.emergency

    @property
    def drain(self) -> int:
        """Seconds that a restart waits for the calls."""
        return self.declared.drain

    @property
    def most_channels(self) -> int:
        """Calls that come in at the same time: those of trunks, and of `invoke verify` beside them."""
        return self.declared.calls + ECHO_CALLS

    @property
    def log(self) -> str:
        """The name of the log that fail2ban reads, in Asterisk's own directory of logs."""
        return LOG.rpartition("/")[2]

    def port_of(self, transport: str) -> int:
        """Return where a transport listens."""
        return SIP_PORTS[transport]

    def rings(self, trunk: Trunk) -> Iterator[Ring]:
        """Yield the numbers that a trunk brings."""
        for tenant in self.declared.tenants:
            if tenant.trunk == trunk.name:
                yield from (Ring(did, tenant, trunk) for did in tenant.dids)

    def ways(self, name: str) -> tuple[str, ...]:
        """Return the endpoints of a trunk, the one in reserve last."""
        trunk = self.declared.trunk(name)
        return lines_of(trunk) if trunk else ()


def exchange_of(host: Host, environment: Environment) -> Exchange | None:
    """Return the telephony of this host without its secrets; None where it has none."""
    asterisk = host.asterisk
    if asterisk is None:
        return None
    controllers = tuple(each for each in environment.controllers if isinstance(each, IPv4Network))
    verify = Line("verify", "invoke verify, from the controllers", asterisk.transports[0], VERIFICATION,
                  "ulaw,alaw", controllers, permitted=controllers, caller=True)  # fmt: skip
    lines = [verify, *(line for trunk in asterisk.trunks for line in _lines(trunk))]
    credentials = [Credential("verify-auth", "verify")]
    credentials += [Credential(line.credentials, line.user) for line in lines if line.registers]
    plans = tuple(_plan(asterisk, tenant.name) for tenant in asterisk.tenants)
    found = Exchange(
        asterisk,
        host.name,
        environment.name_of(host),
        str(host.address.ip),
        tuple(lines),
        plans,
        asterisk.local_networks(host),
        tuple(credentials),
        tuple(UserOfAmi(user) for user in (asterisk.ami.users if asterisk.ami else ())),
    )
    return replace(found, dialplan_digest=digest(render("asterisk", "extensions.conf", found)))


def _lines(trunk: Trunk) -> Iterator[Line]:
    """Yield the endpoints of a trunk; calls from its addresses are the first one's."""
    registering = isinstance(trunk, RegisteringTrunk)
    for place, (name, (field, server)) in enumerate(zip(lines_of(trunk), trunk.servers, strict=True)):
        yield Line(
            name,
            f"{trunk.name}: {field}",
            trunk.transport,
            f"from-{trunk.name}",
            ",".join(trunk.codecs),
            () if place else trunk.addresses,
            server,
            getattr(trunk, "port", 5060),
            trunk.user if isinstance(trunk, RegisteringTrunk) else "",
            trunk.expiry if isinstance(trunk, RegisteringTrunk) else 0,
            registering,
            permitted=trunk.addresses,
        )


def _plan(asterisk: Asterisk, name: str) -> Plan:
    tenant = next(each for each in asterisk.tenants if each.name == name)
    ways = []
    for route in tenant.routes:
        trunk = asterisk.trunk(route.trunk)
        if trunk is not None:
            ways.append(Way(route, trunk, min(tenant.limits.seconds, trunk.limits.seconds)))
    barred = (each for route in tenant.routes for each in route.barred)
    named = {route.prefix for route in tenant.routes}
    first = tenant.routes[0].caller_id if tenant.routes else next(iter(tenant.dids), "")
    return Plan(
        tenant.name,
        tuple(ways),
        tuple(each for each in dict.fromkeys(barred) if each not in named),
        tenant.limits,
        first,
        recording(tenant.name) if tenant.recording else "",
    )


def digest(text: str) -> str:
    """Return what tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
