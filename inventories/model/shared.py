"""What the hosts of an environment share: names in DNS, managed databases, and networks behind a tunnel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from inventories.model.problem import Problem
from inventories.model.tunnels import lint_reach

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host


def lint_shared(environment: Environment) -> Iterator[Problem]:
    """Yield names that two hosts are asked for, databases that clash or that nobody uses, idle openings."""
    holders: dict[str, str] = {}
    for host in environment.hosts:
        for place, name in _names(environment, host):
            holder = holders.setdefault(name, host.name)
            if holder != host.name:
                yield Problem(
                    host.name,
                    "",
                    place,
                    f"{name} belongs to {holder} already",
                    "each name on one host, as the authority asks one of them only",
                    "take it out of one of the two",
                )
            yield from _besides(environment, host, place, name)
    yield from _databases(environment)
    yield from lint_reach(environment)


def _names(environment: Environment, host: Host) -> Iterator[tuple[str, str]]:
    """Yield each name that the host needs a certificate for, once, with the place that says so."""
    said: set[str] = set()
    for site in host.nginx.sites if host.nginx else ():
        said.update(site.names)
        yield from ((f"nginx.sites[{site.name}].names", name) for name in site.names)
    for certificate in host.certificates(environment):
        for name in certificate.names:
            if name not in said:
                said.add(name)
                yield f"certbot.extra[{certificate.name}].names", name


def _besides(environment: Environment, host: Host, place: str, name: str) -> Iterator[Problem]:
    """Yield a name that leads elsewhere in DNS."""
    for other in environment.hosts:
        if name == environment.name_of(other) and other.name != host.name:
            yield Problem(
                host.name,
                "",
                place,
                f"{name} is the host {other.name} in DNS",
                "a name that leads here",
                f"choose another name, or serve it on {other.name}",
            )
    for database in environment.databases:
        if name == database.host:
            yield Problem(
                host.name,
                "",
                place,
                f"{name} is the database {database.name} in DNS",
                "a name that leads here",
                "choose another name",
            )


def _databases(environment: Environment) -> Iterator[Problem]:
    used = {name for host in environment.hosts if host.compose for name in host.compose.databases()}
    for name, times in Counter(each.name for each in environment.databases).items():
        place = f"databases[{name}]"
        if times > 1:
            seen = f"{times} databases are named {name}"
            yield Problem("", "", place, seen, "a name of its own", "rename the others")
        if any(name == host.name for host in environment.hosts):
            seen = f"{name} is the name of a host"
            yield Problem("", "", place, seen, "a name of its own", "rename the database")
        if name not in used:
            yield Problem(
                "",
                "",
                place,
                "no stack uses it",
                "a database that somebody uses",
                f'add databases=("{name}",) to the stack that does, or take it out',
            )
