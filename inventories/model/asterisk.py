"""Telephony: Asterisk with PJSIP, trunks, tenants, and a range of ports for their voices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from inventories.model.addresses import PRIVATE, Network4
from inventories.model.certificate import Certificate
from inventories.model.dialling import lint_dialling
from inventories.model.names import DomainName
from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.telephony import PORTS_OF_CALL, lint_telephony
from inventories.model.tenant import Ami, Ari, Emergency, Tenant
from inventories.model.trunk import SIP_PORTS, AddressTrunk, RegisteringTrunk, Transport, Trunk
from inventories.model.values import Count, Jail, Network, Opening, PortRange, Protocol, Seconds, Secret
from inventories.model.wanted import Choice

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

FIRST_RTP = 10000
LOG = "/var/log/asterisk/messages.log"
"""The log that fail2ban reads; logger.conf writes it, the package's logrotate keeps it short."""
AnyTrunk = Annotated[
    AddressTrunk | RegisteringTrunk,
    Choice("a trunk", "write AddressTrunk(...) or RegisteringTrunk(...)"),
]


class Asterisk(Service):
    """A telephone exchange that only its trunks and its applications can use."""

    trunks: Annotated[tuple[AnyTrunk, ...], Field(min_length=1)]
    tenants: Annotated[tuple[Tenant, ...], Field(min_length=1)]
    calls: Count = 25
    """Simultaneous calls that the host carries at most."""
    rtp: PortRange | None = None
    """The ports for voices; None: as many from 10000 on as `calls` needs."""
    transports: Annotated[tuple[Transport, ...], Field(min_length=1)] = ("udp",)
    tls_name: DomainName | None = None
    """The name that the TLS transport's certificate is for."""
    drain: Seconds = 300
    """How long a restart waits for running calls; a deploy gives up then, an upgrade or reboot ends them."""
    ari: Ari | None = None
    ami: Ami | None = None
    emergency: Emergency = Emergency()
    verification: Secret
    """The password of the echo extension, which exists for `invoke verify` alone."""

    @property
    def ports(self) -> PortRange:
        """The ports for voices, given or computed."""
        last = min(FIRST_RTP + PORTS_OF_CALL * self.calls - 1, 65535)
        return self.rtp or PortRange(first=FIRST_RTP, last=last)

    def trunk(self, name: str) -> Trunk | None:
        """Return one trunk by its name; None where there is none."""
        return next((trunk for trunk in self.trunks if trunk.name == name), None)

    def local_networks(self, host: Host) -> tuple[Network4, ...]:
        """Return the networks that are told the host's own address in place of the public one.

        A PBX behind the tunnel that is told the public address sends its voice past the tunnel.
        """
        peers = host.strongswan.peers if host.strongswan else ()
        return tuple(dict.fromkeys((*PRIVATE, *(network for peer in peers for network in peer.remote))))

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield SIP to whom it is for, the ports of voices, and interfaces that are not this host's alone.

        A carrier that names no address of its own may call from anywhere.
        """
        carriers = tuple(dict.fromkeys(each for trunk in self.trunks for each in trunk.addresses))
        known = all(trunk.addresses for trunk in self.trunks)
        parties = (*environment.controllers, *carriers) if known else ()
        for transport in self.transports:
            protocol: Protocol = "udp" if transport == "udp" else "tcp"
            yield Opening.port(SIP_PORTS[transport], protocol, f"SIP over {transport.upper()}", parties)
        media = tuple(dict.fromkeys(each for trunk in self.trunks for each in trunk.media))
        told = all(trunk.media for trunk in self.trunks)
        sources = (*environment.controllers, *media) if told else ()
        yield Opening(ports=self.ports, protocol="udp", why="RTP", sources=sources)
        if self.ari is not None and not self.ari.bind.is_loopback:
            yield Opening.port(self.ari.port, "tcp", "ARI", self.ari.sources)
        if self.ami is not None and not self.ami.bind.is_loopback:
            permitted = dict.fromkeys(network for user in self.ami.users for network in user.permit)
            if distant := [network for network in permitted if not network.is_loopback]:
                yield Opening.port(self.ami.port, "tcp", "AMI", distant)

    def trusted(self, host: Host, environment: Environment) -> Iterator[Network]:
        """Yield the carriers: packets forged in their name must not have them banned."""
        yield from dict.fromkeys(network for trunk in self.trunks for network in trunk.addresses)

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield the jail that reads Asterisk's own log of security events."""
        sip = tuple(each for each in self.openings(host, environment) if each.why.startswith("SIP"))
        # Two packets forged in the name of a carrier that names no address would take its trunk away.
        unnamed = (name for trunk in self.trunks if not trunk.addresses for _, name in trunk.servers)
        never = tuple(dict.fromkeys(unnamed))
        yield Jail(name="asterisk", filter="asterisk", openings=sip, log=LOG, max_retry=3, never=never)

    def certificates(self, host: Host, environment: Environment) -> Iterator[Certificate]:
        """Yield the certificate of the TLS transport."""
        if self.tls_name is not None:
            yield Certificate(names=(self.tls_name,), why="SIP over TLS")

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield the daemon: a restart would cut every call."""
        yield "asterisk.service"

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield what could not carry a call, or would let a stranger pay nothing for one."""
        yield from lint_telephony(self, host, environment)
        yield from lint_dialling(self, host)
