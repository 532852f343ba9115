"""An environment: the hosts that belong together, and who works on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from inventories.model import fault
from inventories.model.database import Database
from inventories.model.host import Host
from inventories.model.leaves import leaves
from inventories.model.names import DomainName
from inventories.model.neighbours import lint_environment
from inventories.model.problem import ModelError, Problem
from inventories.model.record import Record
from inventories.model.shared import lint_shared
from inventories.model.values import Network, Secret
from inventories.model.wanted import Wanted

EnvironmentName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{0,15}$"),
    Wanted("an environment's name", "use up to 16 small letters, digits and hyphens, a letter first"),
]


class Environment(Record):
    """Everything that is deployed, proven and rehearsed together."""

    partial: ClassVar[bool] = True
    stand_ins: ClassVar[dict[str, Any]] = {
        "name": "unnamed",
        "domain": "unnamed.invalid",
        "controllers": ("192.0.2.1/32",),
    }

    name: EnvironmentName
    domain: DomainName
    """Hosts are named `<host>.<domain>` in DNS."""
    controllers: Annotated[tuple[Network, ...], Field(min_length=1)]
    """Where deploys come from: always admitted to SSH, never banned."""
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    databases: tuple[Database, ...] = ()
    """Managed databases that the stacks use."""
    in_twin: bool = False
    """The environment exists as a twin only; it may use documentation addresses (RFC 5737, RFC 3849)."""

    def name_of(self, host: Host) -> str:
        """Return the name of a host in DNS."""
        return f"{host.name}.{self.domain}"

    def host(self, name: str) -> Host:
        """Return one host by its name; KeyError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def part(self, *names: str) -> Environment:
        """Return the environment of these hosts alone and of the databases that they use.

        KeyError where one is not declared.
        """
        hosts = tuple(map(self.host, names))
        used = {name for host in hosts if host.compose for name in host.compose.databases()}
        databases = tuple(each for each in self.databases if each.name in used)
        return self.model_copy(update={"hosts": hosts, "databases": databases})

    def database(self, name: str) -> Database:
        """Return one managed database by its name; KeyError when there is none."""
        for database in self.databases:
            if database.name == name:
                return database
        raise KeyError(name)

    def served(self) -> dict[str, Host]:
        """Collect every name that a certificate of a host is for, with that host."""
        return {
            name: host
            for host in reversed(self.hosts)
            for certificate in host.certificates(self)
            for name in certificate.names
        }

    def never_banned(self, host: Host) -> tuple[Network, ...]:
        """Collect the networks that no jail of this host may ever ban."""
        hosts = tuple(type(i.network)(i.ip) for h in self.hosts for _, i in h.interfaces)
        trusted = host.trusted(self)
        return tuple(dict.fromkeys((*self.controllers, *hosts, *trusted, *host.fail2ban.never)))

    def secrets(self) -> tuple[Secret, ...]:
        """Collect every secret that the environment refers to."""
        return tuple(dict.fromkeys(value for _, value in leaves(self) if isinstance(value, Secret)))

    def lint(self, without: Mapping[str, frozenset[str]] | None = None) -> Iterator[Problem]:
        """Yield what no single service can see.

        `without` names, by host ("" is the environment itself), the fields that are wrong in themselves:
        neither they nor the services that judge them are looked at.
        """
        without = without or {}
        yield from lint_environment(self)
        if not any(without.values()):
            yield from lint_shared(self)
        for host in self.hosts:
            wrong = without.get(host.name, frozenset())
            for name, service in host.services.items():
                if name not in wrong and not (wrong and service.collects):
                    yield from service.lint(host, self)
                if not wrong and not without.get("", ()):
                    yield from service.between(host, self)

    def resolved(self) -> dict[str, Any]:
        """Return everything that is declared, with what each host collects from its services, for JSON.

        A secret is stars and its name.
        """
        declared = self.model_dump(mode="json", serialize_as_any=True)
        for host, its in zip(self.hosts, declared["hosts"], strict=True):
            its["openings"] = [each.model_dump(mode="json") for each in host.openings(self)]
            its["forwards"] = [each.model_dump(mode="json") for each in host.forwards(self)]
            its["jails"] = [each.model_dump(mode="json") for each in host.jails(self)]
            its["certificates"] = [each.model_dump(mode="json") for each in host.certificates(self)]
            its["sysctls"] = host.sysctls(self)
            its["never_banned"] = [str(network) for network in self.never_banned(host)]
            its["undisturbed"] = list(host.undisturbed(self))
        return declared

    def fingerprint(self) -> str:
        """Return the SHA-256 of everything that is declared: the config hash of a record."""
        canonical = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def inventory(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the hosts in pyinfra's form, reached by our own connector.

        Raises ModelError where pyinfra reads the inventory itself and the environment is refused.
        """
        if fault.current() is None and (problems := tuple(self.lint())):
            raise ModelError(problems)
        return [(f"@trunkline/{self.name}/{host.name}", {"environment": self.name}) for host in self.hosts]
