"""A site as nginx's templates want it: its headers, rates, paths and applications."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploys._ops import site_files
from inventories.model import Proxy, Rate, Site

ETC = "/etc/nginx"
CERTIFICATES = "/etc/trunkline/certs"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Permissions-Policy": "camera=(self), geolocation=(self), microphone=(self)",
}
"""Headers of every answer, beside the policies that a site declares; a telephone in a page must work."""


@dataclass(frozen=True)
class Upstream:
    """Where an application listens."""

    name: str
    server: str


@dataclass(frozen=True)
class Zone:
    """A memory of who asked how often."""

    name: str
    rate: Rate


@dataclass(frozen=True)
class Way:
    """A path that an application answers."""

    proxy: Proxy
    zone: Zone | None

    @property
    def upstream(self) -> str:
        """The name of the application's upstream."""
        return upstream_of(self.proxy).name


@dataclass(frozen=True)
class Page:
    """One site, as its template wants it."""

    site: Site
    ipv6: bool
    has_http2_directive: bool
    certificates: str = CERTIFICATES

    @property
    def slug(self) -> str:
        """The site's name as part of a variable's or a zone's."""
        return re.sub(r"\W", "_", self.site.name)

    @property
    def path(self) -> str:
        """Where the site's configuration stands."""
        return f"{ETC}/sites/{self.site.name}.conf"

    @property
    def passwords(self) -> str:
        """Where the hashes of its users' passwords stand."""
        return f"{ETC}/passwords/{self.site.name}"

    @property
    def root(self) -> str:
        """The directory of its releases."""
        return site_files.directory_of(self.site.name)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        strict = {"Strict-Transport-Security": f"max-age={self.site.strict_transport}"}
        return {**strict, "Content-Security-Policy": self.site.content_security_policy, **HEADERS}

    @property
    def assets_pattern(self) -> str:
        """The path of its assets as a regular expression."""
        return re.escape(self.site.files.assets) if self.site.files else ""

    @property
    def zone(self) -> Zone | None:
        """The zone of paths that have no rate of their own."""
        return Zone(f"{self.slug}", self.site.rate) if self.site.rate else None

    @property
    def ways(self) -> tuple[Way, ...]:
        """Its proxied paths."""
        found = enumerate(self.site.proxies)
        return tuple(Way(p, Zone(f"{self.slug}_{n}", p.rate) if p.rate else None) for n, p in found)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """All zones that it needs."""
        return tuple(zone for zone in (self.zone, *(way.zone for way in self.ways)) if zone)

    @property
    def has_proxied_top(self) -> bool:
        """Whether an application answers everything that nothing else does."""
        return any(proxy.path == "/" and not proxy.exact for proxy in self.site.proxies)


def upstream_of(proxy: Proxy) -> Upstream:
    """Return where a path's application listens: the agent says which colour of a stack's service it is."""
    if isinstance(proxy.to, int):
        return Upstream(f"loopback-{proxy.to}", f"server 127.0.0.1:{proxy.to};")
    name = proxy.to.replace("/", "-")
    return Upstream(name, f"include {ETC}/upstreams/{name}.conf;")
