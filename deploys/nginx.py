"""nginx: TLS for every site, one place for every header, a reload that cuts nobody off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deploys._ops import htpasswd, site_files, systemd
from deploys._ops.error_pages import FAULTS, Fault
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.manifest import Resource, resource
from deploys._ops.render import render
from deploys._ops.sites import CERTIFICATES, ETC, Page, Upstream, upstream_of
from inventories.model import Environment, Host, Network

PACKAGES = ("nginx",)
UNIT = "nginx.service"
WEBROOT = "/srv/trunkline/acme"
OWN_ADDRESS = "127.0.0.80"
"""Where nginx tells its own host which configuration it runs with."""
UNKNOWN = "unknown.invalid"
"""What a certificate is called that nginx before 1.19.4 needs to refuse a name."""
HTTP2_DIRECTIVE, REJECTED_HANDSHAKES = (1, 25), (1, 20)
"""The versions of nginx since which `http2 on` and `ssl_reject_handshake` are known."""
SHORTEST_FAREWELL = 30
"""Seconds an old worker has for what it has begun; a longer timeout of a proxy counts more."""
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""TLS 1.2's; those of 1.3 are all good."""
GROUPS = ("X25519", "prime256v1", "secp384r1")


@dataclass(frozen=True)
class Server:
    """All of nginx, as its template wants it."""

    pages: tuple[Page, ...]
    upstreams: tuple[Upstream, ...]
    load_balancers: tuple[Network, ...]
    ipv6: bool
    has_http2_directive: bool
    rejects_handshakes: bool
    groups: tuple[str, ...]
    digest: str = ""
    ciphers: tuple[str, ...] = CIPHERS
    certificates: str = CERTIFICATES
    unknown: str = UNKNOWN
    own_address: str = OWN_ADDRESS
    webroot: str = WEBROOT
    errors: str = f"{ETC}/errors"
    faults: tuple[Fault, ...] = FAULTS

    @property
    def longest(self) -> int:
        """Seconds an old worker has for what it has begun."""
        timeouts = (proxy.timeout for page in self.pages for proxy in page.site.proxies)
        return max((SHORTEST_FAREWELL, *timeouts))

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the headers that are ours alone."""
        return tuple(dict.fromkeys(name for page in self.pages for name in page.headers))


def server_of(host: Host) -> Server | None:
    """Return what this host serves; None when it serves nothing."""
    if host.nginx is None:
        return None
    version, ipv6 = host.release.nginx, host.address6 is not None
    directive = version >= HTTP2_DIRECTIVE
    proxies = (proxy for site in host.nginx.sites for proxy in site.proxies)
    return Server(
        pages=tuple(Page(site, ipv6, directive) for site in host.nginx.sites),
        upstreams=tuple(dict.fromkeys(map(upstream_of, proxies))),
        load_balancers=host.nginx.load_balancers,
        ipv6=ipv6,
        has_http2_directive=directive,
        rejects_handshakes=version >= REJECTED_HANDSHAKES,
        groups=(*(("X25519MLKEM768",) if host.release.post_quantum_tls else ()), *GROUPS),
    )


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return all of nginx's configuration, its error pages and its users' passwords as hashes."""
    server = server_of(host)
    if server is None:
        return []
    others = [*_pages(server), *_passwords(server, host, environment)]
    gone = [ManagedFile("nginx", f"{ETC}/sites-enabled/default", kind="absent")]
    marked = replace(server, digest=runs_with(server))
    return [_file(f"{ETC}/nginx.conf", render("nginx", "nginx.conf", marked)), *others, *gone]


def runs_with(server: Server) -> str:
    """Return what tells this configuration from another; hashes of passwords are read at each request."""
    texts = [render("nginx", "nginx.conf", server), *(file.content for file in _pages(server))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _pages(server: Server) -> Iterator[ManagedFile]:
    for name in ("trunkline-acme.conf", "trunkline-errors.conf", "trunkline-proxy.conf"):
        yield _file(f"{ETC}/snippets/{name}", render("nginx", name, server))
    for page in server.pages:
        yield _file(page.path, render("nginx", "site.conf", page))
    yield _file(f"{server.errors}/error.css", render("nginx", "error.css", server))
    for fault in server.faults:
        yield _file(f"{server.errors}/{fault.code}.html", render("nginx", "error.html", fault))


def _passwords(server: Server, host: Host, environment: Environment) -> Iterator[ManagedFile]:
    for page in server.pages:
        if page.site.auth:
            place = f"{environment.name}/{host.name}/{page.site.name}"
            lines = [
                f"{u.name}:{htpasswd.hashed(u.password, f'{place}/{u.name}')}\n" for u in page.site.auth.users
            ]
            shown = _file(page.passwords, "".join(lines))
            yield replace(shown, group="www-data", mode="0640", secret=True)


def _file(path: str, content: str = "") -> ManagedFile:
    return ManagedFile("nginx", path, content)


def checks(server: Server) -> Checks:
    """Return how nginx reads its configuration before it is put in place, and shows that it runs with it.

    A reload that fails (a port that somebody else holds) leaves the old configuration running and says so
    to the error log alone; therefore nginx is asked.
    """
    return Checks(
        check=("nginx", "-t", "-q"),
        check_tree=(ETC,),
        load=("systemctl", "reload-or-restart", UNIT),
        loaded=("python3", "-I", "-c", site_files.ASK, OWN_ADDRESS, runs_with(server)),
        loaded_within=15,
    )


def resources(host: Host) -> list[Resource]:
    """Return what is on the host beside files: each site's releases."""
    server = server_of(host)
    return [resource("site", page.site.name, "nginx") for page in server.pages] if server else []


def nginx(host: Host, environment: Environment) -> None:
    """Ship the sites' files, then write the configuration and reload; no request is cut."""
    server = server_of(host)
    if server is None:
        return
    for page in server.pages:
        if page.site.files:
            site_files.shipped(
                page.site.name, page.site.files.directory, name=f"nginx: files of {page.site.name}"
            )
    # The files start it: with the distribution's own it would answer to every name.
    systemd.unit(UNIT, running=False, name="nginx: unit")
    wanted = files(host, environment)
    runs, marked = checks(server), runs_with(server)
    managed_set("nginx", wanted, runs, name="nginx: files", loaded=lambda: site_files.config() == marked)
