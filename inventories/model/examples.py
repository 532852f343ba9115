"""What stands in an inventory of real servers but exists in examples only."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import TYPE_CHECKING

from inventories.model.addresses import host_network, is_documentation
from inventories.model.leaves import leaves, place_of
from inventories.model.names import is_example
from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host
    from inventories.model.nginx import Site


def lint_examples(environment: Environment) -> Iterator[Problem]:
    """Yield every name and address that nobody can own."""
    if is_example(environment.domain):
        remedy = "write the domain your servers' names end in"
        yield _name("", "domain", environment.domain, "a domain of yours", remedy)
    yield from _names(environment)
    for path, value in leaves(environment):
        network = value.network if isinstance(value, IPv4Interface | IPv6Interface) else value
        if isinstance(value, IPv4Address) and not isinstance(value, IPv4Interface):
            network = IPv4Network(value)
        if not isinstance(network, IPv4Network | IPv6Network) or not is_documentation(network):
            continue
        host, rest = (path[1][1:-1], path[2:]) if path[0] == "hosts" else ("", path)
        service, field = (rest[0], rest[1:]) if host and len(rest) > 1 else ("", rest)
        yield Problem(
            host,
            service,
            place_of(field),
            f"{value} is a documentation address",
            "an address that exists",
            "replace it by your own (RFC 5737, RFC 3849)",
            example=True,
        )


def _names(environment: Environment) -> Iterator[Problem]:
    for host in environment.hosts:
        places = [(f"nginx.sites[{site.name}].names", site.names) for site in _sites(host)]
        if host.certbot is not None:
            places += [(f"certbot.extra[{each.name}].names", each.names) for each in host.certbot.extra]
            domain = host.certbot.email.rpartition("@")[2]
            if is_example(domain):
                remedy = "write where somebody reads that a certificate ends"
                yield _name(host.name, "certbot.email", domain, "an address of yours", remedy)
        for place, names in places:
            for index, name in enumerate(names):
                if is_example(name):
                    remedy = "write the name your visitors use"
                    yield _name(host.name, f"{place}[{index}]", name, "a name of yours", remedy)
        yield from _identities(host)
        yield from _carriers(host)
        for stack, container in host.compose.containers() if host.compose else ():
            for name, value in container.environment.items():
                if isinstance(value, str) and is_example(value):
                    place = f"compose.stacks[{stack.name}].services[{container.name}].environment[{name}]"
                    remedy = "write the name of your own server"
                    yield _name(host.name, place, value, "a name that exists", remedy)
    for database in environment.databases:
        if is_example(database.host):
            yield _name(
                "",
                f"databases[{database.name}].host",
                database.host,
                "the name of your database",
                "write the host that your provider names",
            )


def _identities(host: Host) -> Iterator[Problem]:
    """Yield what the ends of a tunnel call themselves, where nobody can be called so."""
    for peer in host.strongswan.peers if host.strongswan else ():
        for field, said in (("id", peer.id), ("local_id", peer.local_id)):
            if said and (is_example(said.rpartition("@")[2]) or _is_documentation(said)):
                place, remedy = f"strongswan.peers[{peer.name}].{field}", "write what that end calls itself"
                yield _name(host.name, place, said, "an identity of yours", remedy)


def _carriers(host: Host) -> Iterator[Problem]:
    """Yield carriers that exist in examples only, and the name of the host's own TLS."""
    if host.asterisk is None:
        return
    named = [
        (f"trunks[{each.name}].{field}", name)
        for each in host.asterisk.trunks
        for field, name in each.servers
    ]
    for place, name in (*named, ("tls_name", host.asterisk.tls_name)):
        if name and is_example(name):
            remedy = "write what your carrier names" if place != "tls_name" else "write a name of this host"
            yield _name(host.name, f"asterisk.{place}", name, "a name that exists", remedy)


def _is_documentation(text: str) -> bool:
    try:
        return is_documentation(host_network(ip_address(text)))
    except ValueError:
        return False


def _sites(host: Host) -> tuple[Site, ...]:
    return host.nginx.sites if host.nginx else ()


def _name(host: str, place: str, seen: str, wanted: str, remedy: str) -> Problem:
    return Problem(host, "", place, f"{seen} is an example name", wanted, remedy, example=True)
