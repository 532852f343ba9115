"""What a web server's sites may not say: of themselves, of each other, of what answers for them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING

from inventories.model.addresses import WIDEST, too_wide
from inventories.model.problem import Problem

if TYPE_CHECKING:
    from inventories.model.host import Host
    from inventories.model.nginx import Nginx, Proxy, Site

CHALLENGES = "/.well-known/acme-challenge/"
"""Where the ACME authority asks (RFC 8555, section 8.3); always answered by the web server itself."""


def lint_sites(nginx: Nginx, host: Host) -> Iterator[Problem]:
    """Yield what is wrong within a site, and the names that two sites share."""
    for one, two in combinations(nginx.sites, 2):
        for name in two.names:
            if name in one.names:
                yield nginx.problem(
                    host,
                    f"sites[{two.name}].names",
                    f"{name} is also a name of the site {one.name}",
                    "each name on one site",
                    "take it out of one of the two",
                )
    for site in nginx.sites:
        yield from _content(nginx, host, site)
        yield from _paths(nginx, host, site)
        yield from _passwords(nginx, host, site)


def lint_balancers(nginx: Nginx, host: Host) -> Iterator[Problem]:
    """Yield load balancers that could be anybody, or that cannot reach the host."""
    for index, network in enumerate(nginx.load_balancers):
        if too_wide(network):
            yield nginx.problem(
                host,
                f"load_balancers[{index}]",
                f"{network} would let strangers say which address they come from",
                f"a prefix of /{WIDEST[network.version]} or longer",
                "name the load balancer's own addresses",
            )
    if nginx.load_balancers and not any(host.speaks(each) for each in nginx.load_balancers):
        yield nginx.problem(
            host,
            "load_balancers",
            "only IPv6 networks on a host without IPv6",
            "a load balancer that can reach it",
            "add its IPv4 network, or address6 to this host",
        )


def lint_targets(nginx: Nginx, host: Host) -> Iterator[Problem]:
    """Yield sites that get no certificate, and proxies that lead nowhere."""
    for site in nginx.sites:
        if host.certbot is None:
            yield _uncertified(nginx, host, site)
        for proxy in site.proxies:
            yield from _target(nginx, host, f"sites[{site.name}].proxies[{proxy.path}].to", proxy.to)


def _content(nginx: Nginx, host: Host, site: Site) -> Iterator[Problem]:
    if site.files is None and not site.proxies:
        yield nginx.problem(
            host,
            f"sites[{site.name}]",
            "neither files nor a proxy",
            "something to serve",
            "add files=Files(...) or proxies=(Proxy(...),), or take the site out",
        )
    if site.files and (site.files.assets == "/" or not site.files.assets.endswith("/")):
        yield nginx.problem(
            host,
            f"sites[{site.name}].files.assets",
            repr(site.files.assets),
            "a path below the site that ends with /",
            "write the directory of the files whose names carry a digest, such as /assets/",
            bare=True,
        )


def _paths(nginx: Nginx, host: Host, site: Site) -> Iterator[Problem]:
    seen: list[Proxy] = []
    for proxy in site.proxies:
        place = f"sites[{site.name}].proxies[{proxy.path}]"
        if any((each.path, each.exact) == (proxy.path, proxy.exact) for each in seen):
            yield nginx.problem(
                host, place, f"{proxy.path} stands here twice", "each path once", "take one of the two out"
            )
        seen.append(proxy)
        if "//" in proxy.path or {".", ".."} & set(proxy.path.split("/")):
            yield nginx.problem(
                host,
                place,
                f"{proxy.path} is a path that no request has once it is read",
                "a path without //, . and ..",
                "write it as the application sees it",
            )
        if f"{proxy.path}/".startswith(CHALLENGES):
            yield nginx.problem(
                host,
                place,
                f"{proxy.path} is where the certificate authority asks",
                "a path of the application's own",
                "take it out, the web server answers there itself",
            )
        if site.files is not None:
            yield from _beside_files(nginx, host, site, proxy, site.files.assets)


def _beside_files(nginx: Nginx, host: Host, site: Site, proxy: Proxy, assets: str) -> Iterator[Problem]:
    place = f"sites[{site.name}].proxies[{proxy.path}]"
    if proxy.path == "/" and not proxy.exact:
        yield nginx.problem(
            host,
            place,
            "/ is answered by the site's files already",
            "one answer to every path",
            "give the proxy a path of its own, or take files out",
        )
    elif f"{proxy.path}/".startswith(assets):
        yield nginx.problem(
            host,
            place,
            f"{proxy.path} hides the site's assets below {assets}",
            "a path beside the assets",
            "move the proxy or the assets",
        )


def _passwords(nginx: Nginx, host: Host, site: Site) -> Iterator[Problem]:
    names = [user.name for user in site.auth.users] if site.auth else []
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield nginx.problem(
            host,
            f"sites[{site.name}].auth.users[{name}]",
            f"{name} stands here {names.count(name)} times",
            "each user once",
            "take the others out",
        )
    for proxy in site.proxies:
        if proxy.unprotected and site.auth is None:
            yield nginx.problem(
                host,
                f"sites[{site.name}].proxies[{proxy.path}].unprotected",
                "an exception from a password that the site does not ask for",
                "auth on the site",
                "add auth=BasicAuth(...) to the site, or take unprotected out",
            )


def _uncertified(nginx: Nginx, host: Host, site: Site) -> Problem:
    if site.auth is not None:
        return nginx.problem(
            host,
            f"sites[{site.name}].auth",
            "a password would be sent over a connection that no certificate vouches for",
            "a certificate before a password",
            "add certbot=Certbot(email=...) to this host, or take auth out",
        )
    return nginx.problem(
        host,
        f"sites[{site.name}]",
        f"nobody gets a certificate for {site.name}",
        "certbot on a host with sites",
        "add certbot=Certbot(email=...) to this host",
    )


def _target(nginx: Nginx, host: Host, place: str, to: str | int) -> Iterator[Problem]:
    containers = list(host.compose.containers()) if host.compose else []
    known = {f"{stack.name}/{container.name}": container for stack, container in containers}
    serving = sorted(name for name, container in known.items() if container.role == "http")
    if isinstance(to, int):
        for name in serving:
            if to in known[name].loopback:
                yield nginx.problem(
                    host,
                    place,
                    f"{to} is one of the two ports that {name} takes in turn",
                    "the service itself",
                    f'write to="{name}", which follows every switch',
                )
        if to in {80, 443}:
            yield nginx.problem(
                host,
                place,
                f"{to} is the web server's own port",
                "an application's port",
                "name the port that the application listens on",
            )
    elif to not in known:
        near = get_close_matches(to, serving, n=1)
        yield nginx.problem(
            host,
            place,
            f"there is no service {to} on this host",
            "an http service of its stacks",
            f"did you mean {near[0]}?" if near else f"it has {', '.join(serving) or 'none'}",
        )
    elif known[to].role != "http":
        yield nginx.problem(
            host,
            place,
            f"{to} has the role {known[to].role}",
            "a service with the role http",
            f"it has {', '.join(serving) or 'none'}",
        )
