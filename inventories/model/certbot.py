"""Certificates from an ACME authority (RFC 8555)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from inventories.model.certificate import Certificate
from inventories.model.nginx import Directory
from inventories.model.record import Service
from inventories.model.values import Opening
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
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
