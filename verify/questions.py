"""What is asked of a host's sites over HTTP, from their records alone; each question has a label."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from inventories.model import AuthUser, Host, Proxy, Site
from verify.probes.exchange import Request, basic

ROOT = Path(__file__).resolve().parent.parent
STRAY = "no-such-name.invalid"
"""A name that nobody can own (RFC 6761 section 6.4)."""
ODD = "trunkline/verify?a=1&b=%2F"
"""A path and query whose every sign must come back in a redirect."""
MISSING = "trunkline-verify-no-such"
MOST_ASSETS = 6
GZIP = {"Accept-Encoding": "gzip"}
MEGABYTE = 1 << 20
ACME = "/.well-known/acme-challenge/"


def questions(host: Host) -> Iterator[Request]:
    """Yield everything that is asked without a password, and with a wrong one."""
    if host.nginx is None:
        return
    yield Request(f"http://{STRAY}/", "stray plain")
    yield Request(f"http://{host.address.ip}/", "stray address")
    yield Request(f"https://{STRAY}/", "stray")
    for site in host.nginx.sites:
        yield from _names(site)
        yield from _paths(site)
        yield from _files(site)
        if site.auth:
            guess = {"Authorization": basic(site.auth.users[0].name, secrets.token_hex(8))}
            yield Request(_url(site, "/"), f"{site.name} wrong", headers=guess)


def _names(site: Site) -> Iterator[Request]:
    for name in site.names:
        yield Request(f"http://{name}/{ODD}", f"{name} plain")
        yield Request(f"http://{name}/{ODD}", f"{name} plain POST", method="POST")
        yield Request(f"http://{name}{ACME}{MISSING}", f"{name} acme")
        yield Request(f"https://{name}/", f"{name} page")


def _paths(site: Site) -> Iterator[Request]:
    """Yield each path as anybody asks for it, and with more than the site takes."""
    yield Request(_url(site, "/"), f"{site.name} asks /", headers=GZIP)
    for path in (f"/{MISSING}", *(beside(proxy) for proxy in unprotected(site) if proxy.exact)):
        yield Request(_url(site, path), f"{site.name} asks {path}")
    yield Request(_url(site, "/"), f"{site.name} 501", "POST", {"Transfer-Encoding": "trunkline"}, keep=True)
    for proxy in site.proxies:
        path = proxy.path
        if path != "/":
            yield Request(_url(site, path), f"{site.name} asks {path}")
        size = (proxy.max_body_mb or site.max_body_mb) * MEGABYTE + 1
        yield Request(_url(site, path), f"{site.name} 413 {path}", "POST", {"Content-Length": str(size)})
        if proxy.websocket and (proxy.unprotected or not site.auth):
            yield Request(_url(site, path), f"{site.name} upgrades {path}", websocket=True)


def _files(site: Site) -> Iterator[Request]:
    """Yield the declared files: the page, some of its assets, and one that does not exist."""
    if site.files is None:
        return
    yield Request(_url(site, f"/{MISSING}/deep"), f"{site.name} asks deep")
    yield Request(_url(site, f"{site.files.assets}{MISSING}.js"), f"{site.name} asks missing asset")
    for path in assets(site):
        yield Request(_url(site, path), f"{site.name} asset {path}", headers=GZIP)


def assets(site: Site) -> dict[str, Path]:
    """Return the largest declared assets, by their path on the site."""
    if site.files is None:
        return {}
    top = ROOT / site.files.directory
    found = [path for path in (top / site.files.assets.strip("/")).rglob("*") if path.is_file()]
    found.sort(key=lambda path: (-path.stat().st_size, path.name))
    return {f"/{path.relative_to(top).as_posix()}": path for path in found[:MOST_ASSETS]}


def with_password(site: Site, user: AuthUser, password: str) -> Iterator[Request]:
    """Yield what somebody asks who may see the site."""
    who = user.name
    for path in protected(site):
        yield Request(_url(site, path), f"{site.name} right {user.name} {path}", user=who, password=password)
    for proxy in site.proxies:
        if proxy.websocket and not proxy.unprotected:
            label = f"{site.name} upgrades {proxy.path}"
            yield Request(_url(site, proxy.path), label, websocket=True, user=who, password=password)


def protected(site: Site) -> list[str]:
    """Return the paths that must ask for the password, those just beside an open one among them."""
    paths = dict.fromkeys(("/", f"/{MISSING}"))
    paths |= dict.fromkeys(proxy.path for proxy in site.proxies if not proxy.unprotected)
    paths |= dict.fromkeys(beside(proxy) for proxy in unprotected(site) if proxy.exact)
    return list(paths) if site.auth else []


def beside(proxy: Proxy) -> str:
    """Return a path next to an exact one: what is open must end where it was declared to."""
    return f"{proxy.path.rstrip('/')}{MISSING}"


def unprotected(site: Site) -> tuple[Proxy, ...]:
    """Return the paths that are open although the site asks for a password."""
    return tuple(proxy for proxy in site.proxies if proxy.unprotected) if site.auth else ()


def _url(site: Site, path: str) -> str:
    return f"https://{site.name}{path}"
