"""One server and everything it runs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import Field

from inventories.model.addresses import Interface4, Interface6
from inventories.model.asterisk import Asterisk
from inventories.model.certbot import Certbot
from inventories.model.certificate import Certificate
from inventories.model.compose import Compose
from inventories.model.docker import Docker
from inventories.model.fail2ban import Fail2ban
from inventories.model.firewall import Firewall, Forward
from inventories.model.journal import Journal
from inventories.model.names import HostName
from inventories.model.nginx import Nginx
from inventories.model.record import Record, Service
from inventories.model.release import RELEASES, Release, ReleaseName
from inventories.model.ssh import Ssh
from inventories.model.strongswan import Strongswan
from inventories.model.swap import Swap
from inventories.model.sysctl import Sysctl
from inventories.model.time import Time
from inventories.model.updates import Updates
from inventories.model.users import Users
from inventories.model.values import Jail, Network, Opening
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment

T = TypeVar("T")
GroupName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$"),
    Wanted("a group's name", "use small letters, digits, hyphens and underscores, a letter first"),
]
Memory = Annotated[int, Field(ge=256), Wanted("a size in MiB, 256 or more", "write the memory of the server")]
Disk = Annotated[int, Field(ge=2048), Wanted("a size in MiB, 2048 or more", "write the disk of the server")]


class Host(Record):
    """A server: where it is, what it runs on, and its services."""

    partial: ClassVar[bool] = True
    stand_ins: ClassVar[dict[str, Any]] = {"users": Users(accounts=())}

    name: HostName
    os: ReleaseName
    address: Interface4
    """The public IPv4 address with its network's prefix length."""
    address6: Interface6 | None = None
    group: GroupName = "hosts"
    """Hosts of one group do the same work: the first is the canary of the others."""
    memory_mb: Memory = 1024
    disk_mb: Disk = 10240

    users: Users
    ssh: Ssh = Ssh()
    firewall: Firewall = Firewall()
    fail2ban: Fail2ban = Fail2ban()
    updates: Updates = Updates()
    sysctl: Sysctl = Sysctl()
    time: Time = Time()
    journal: Journal = Journal()
    swap: Swap | None = None
    strongswan: Strongswan | None = None
    asterisk: Asterisk | None = None
    docker: Docker | None = None
    nginx: Nginx | None = None
    compose: Compose | None = None
    certbot: Certbot | None = None

    @property
    def release(self) -> Release:
        """The data of this host's operating system."""
        return RELEASES[self.os]

    @property
    def services(self) -> dict[str, Service]:
        """The services this host runs, by their name, in the order of the fields."""
        declared = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in declared if isinstance(value, Service)}

    @property
    def interfaces(self) -> tuple[tuple[str, IPv4Interface | IPv6Interface], ...]:
        """The addresses of this host, by the name of their field."""
        both = (("address", self.address), ("address6", self.address6))
        return tuple((field, interface) for field, interface in both if interface is not None)

    def speaks(self, network: Network) -> bool:
        """Say whether this host has an address of the network's family."""
        return network.version == 4 or self.address6 is not None

    def openings(self, environment: Environment) -> tuple[Opening, ...]:
        """Collect what every service needs open, and the firewall's own."""
        return tuple(
            _each(self.firewall.extra, (s.openings(self, environment) for s in self.services.values()))
        )

    def forwards(self, environment: Environment) -> tuple[Forward, ...]:
        """Collect what the host passes on between two networks: the firewall's own, and the services'."""
        of_services = (service.passed_on(self, environment) for service in self.services.values())
        return tuple(dict.fromkeys(_each(self.firewall.forwards, of_services)))

    def trusted(self, environment: Environment) -> tuple[Network, ...]:
        """Collect whom the services live on: no jail bans them."""
        return tuple(_each((), (service.trusted(self, environment) for service in self.services.values())))

    def jails(self, environment: Environment) -> tuple[Jail, ...]:
        """Collect the jails that the services contribute."""
        return tuple(_each((), (service.jails(self, environment) for service in self.services.values())))

    def certificates(self, environment: Environment) -> tuple[Certificate, ...]:
        """Collect the certificates that the services need."""
        return tuple(
            _each((), (service.certificates(self, environment) for service in self.services.values()))
        )

    def sysctls(self, environment: Environment) -> dict[str, str]:
        """Collect the kernel settings of all services; `sysctl` itself has the last word."""
        last = [self.sysctl]
        first = [service for service in self.services.values() if service is not self.sysctl]
        return {k: v for service in (*first, *last) for k, v in service.sysctls(self, environment)}

    def undisturbed(self, environment: Environment) -> tuple[str, ...]:
        """Collect the units that an upgrade must not restart by itself."""
        return tuple(
            _each((), (service.undisturbed(self, environment) for service in self.services.values()))
        )


def _each(first: tuple[T, ...], rest: Iterator[Iterator[T]]) -> Iterator[T]:
    yield from first
    for items in rest:
        yield from items
