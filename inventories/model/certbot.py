"""Certificates from an ACME authority (RFC 8555)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from inventories.model.certificate import Certificate
from inventories.model.nginx import Directory
from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.repository import lint_file
from inventories.model.values import Opening
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
PROFILES = (4, 0)
"""The first Certbot that asks for a profile of the authority."""
Email = Annotated[
    str,
    Field(pattern=r"^[^@\s]+@[a-z0-9-]+(\.[a-z0-9-]+)+$"),
    Wanted("a mail address", "the authority writes there before a certificate ends"),
]
Url = Annotated[
    str,
    Field(pattern=r"^https://[A-Za-z0-9.:-]+/[!-~]*$"),
    Wanted("the https address of an ACME directory", f"Let's Encrypt's is {LETS_ENCRYPT}"),
]


class Certbot(Service):
    """Certbot: by the web server's webroot where there are sites, else standalone on port 80."""

    email: Email
    directory: Url = LETS_ENCRYPT
    ca_bundle: Directory | None = None
    """A PEM file of this repository that vouches for the directory's own certificate; None: the system's."""
    profile: Literal["classic", "tlsserver", "shortlived"] | None = None
    """The authority's certificate profile; needs Certbot 4 (Debian 13)."""
    extra: tuple[Certificate, ...] = ()
    """Certificates beside those of the sites, for services that speak TLS themselves."""

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield port 80 where no web server holds it: the authority asks there."""
        if host.nginx is None:
            yield Opening.port(80, "tcp", "ACME challenges")

    def certificates(self, host: Host, environment: Environment) -> Iterator[Certificate]:
        """Yield those that no other service asks for."""
        yield from self.extra

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield a profile that the host's Certbot cannot ask for."""
        if self.ca_bundle:
            yield from lint_file(self, host, "ca_bundle", self.ca_bundle)
        if self.profile and host.release.certbot < PROFILES:
            version = ".".join(map(str, host.release.certbot))
            yield self.problem(
                host,
                "profile",
                f"Certbot {version} of {host.os} cannot ask for {self.profile}",
                "no profile before Certbot 4.0",
                "take it out, or move the host to Debian 13",
            )

    def between(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield certificates that nobody could prove or that another service asks for already."""
        sites = host.nginx.sites if host.nginx else ()
        served = {name for site in sites for name in site.names}
        names = {site.name for site in sites}
        for certificate in self.extra:
            if certificate.name in names:
                yield self.problem(
                    host,
                    f"extra[{certificate.name}]",
                    f"the site {certificate.name} has a certificate of this name",
                    "each certificate once",
                    "take it out: the site's is at the same path",
                )
            for name in certificate.names:
                if sites and name not in served:
                    yield self.problem(
                        host,
                        f"extra[{certificate.name}].names",
                        f"no site serves {name}",
                        "a name that the web server answers for on port 80",
                        "add it to the names of a site, or take it out",
                    )
            names.add(certificate.name)
        if not host.certificates(environment):
            yield self.problem(
                host,
                "extra",
                "no certificate to ask for",
                "a site or an extra certificate",
                "add nginx=Nginx(...) or extra=(Certificate(...),), or take certbot out",
            )
