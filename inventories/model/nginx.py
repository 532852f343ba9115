"""The web server: sites, what each path of them answers, and who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from inventories.model.certificate import Certificate, Names
from inventories.model.problem import Problem
from inventories.model.record import Record, Service
from inventories.model.repository import lint_pages
from inventories.model.sites import lint_balancers, lint_sites, lint_targets
from inventories.model.values import Count, Jail, Network, Opening, Port, Seconds, Secret
from inventories.model.wanted import Choice, Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

UrlPath = Annotated[
    str,
    Field(pattern=r"^/[A-Za-z0-9._~/-]*$"),
    Wanted("a path of a site", "begin it with / and use letters, digits, and . _ ~ - /"),
]
UserName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    Wanted("a user's name", "use letters, digits, dots, hyphens and underscores"),
]
Target = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$"),
    Wanted("a service of a stack", "write it as stack/service, such as shop/api"),
]
Upstream = Annotated[
    Target | Port,
    Choice(
        "a service of a stack or a port of this host", "write it as shop/api, or as a number such as 8000"
    ),
]
Directory = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"),
    Wanted("a place in this repository", "write it from the top, without a leading / and without .."),
]
Line = Annotated[
    str,
    Field(pattern=r'^[^\r\n"\\$]+$'),
    Wanted("one line", 'leave out line breaks, ", \\ and $'),
]
POLICY = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
"""A content security policy (CSP Level 3) that suits an application which brings all it needs."""
TWO_YEARS = 63_072_000
"""Strict-Transport-Security's max-age in Mozilla's guideline."""


class Rate(Record):
    """How often one client address may ask."""

    per_second: Count
    burst: Count = 20
    """Requests above the rate that are answered at once before the next is refused with 429."""


class AuthUser(Record):
    """Somebody who may see a site."""

    name: UserName
    password: Secret


class BasicAuth(Record):
    """A password that the web server asks for (RFC 7617)."""

    realm: Line = "Restricted"
    users: Annotated[tuple[AuthUser, ...], Field(min_length=1)]


class Files(Record):
    """A single-page application's files: index.html answers every path that is no file."""

    directory: Directory
    assets: UrlPath = "/assets/"
    """Below it every name carries a digest of its content: browsers keep it for a year."""


class Proxy(Record):
    """A path that an application answers."""

    path: UrlPath
    exact: bool = False
    """Only this very path, nothing below it."""
    to: Upstream
    """A service of this host's stacks, or a port on this host's loopback."""
    websocket: bool = False
    unprotected: bool = False
    """No password is asked here, although the site asks for one (a webhook signs its requests)."""
    rate: Rate | None = None
    max_body_mb: Count | None = None
    timeout: Seconds = 60
    """Seconds the application may stay silent."""


class Site(Record):
    """What is served under one or more names; all of them are in one certificate."""

    names: Names
    files: Files | None = None
    proxies: tuple[Proxy, ...] = ()
    auth: BasicAuth | None = None
    content_security_policy: Line = POLICY
    strict_transport: Seconds = TWO_YEARS
    max_body_mb: Count = 10
    rate: Rate | None = None

    @property
    def name(self) -> str:
        """The first name: what its files and its certificate are called."""
        return self.names[0]


class Nginx(Service):
    """Nginx: TLS for every site, plain HTTP only to redirect and to prove names to the ACME authority."""

    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    load_balancers: tuple[Network, ...] = ()
    """Whose X-Forwarded-For is believed; nobody else's is."""

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield 80 and 443: to the load balancers where there are some, else to everyone."""
        yield Opening.port(443, "tcp", "HTTPS", self.load_balancers)
        yield Opening.port(80, "tcp", "HTTP: redirects, ACME challenges")

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield the jail for wrong passwords, where a site asks for one."""
        if any(site.auth for site in self.sites) and not self.load_balancers:
            yield Jail(
                name="nginx-http-auth",
                filter="nginx-http-auth",
                openings=tuple(self.openings(host, environment)),
                log="/var/log/nginx/error.log",
                max_retry=10,
            )

    def certificates(self, host: Host, environment: Environment) -> Iterator[Certificate]:
        """Yield the certificate of each site."""
        for site in self.sites:
            yield Certificate(names=site.names, why=f"site {site.name}")

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield nginx: a restart would cut the requests it serves, an upgrade replaces it without."""
        yield "nginx.service"

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield sites that clash, or that nobody could be served."""
        yield from lint_sites(self, host)
        yield from lint_balancers(self, host)
        yield from lint_pages(self, host)

    def between(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield sites without a certificate, and paths that nothing answers."""
        yield from lint_targets(self, host)
