"""Deploys for the tests of nginx and Certbot: these two alone, before an application without containers."""

from __future__ import annotations

from deploys import certbot, nginx, site
from deploys._engine.report import changed
from deploys._ops import apt, manifest, orphans, site_files
from deploys._ops.files import Checks, managed_set
from inventories.model import (
    AuthUser,
    BasicAuth,
    Certbot,
    Certificate,
    Environment,
    Files,
    Host,
    Nginx,
    Proxy,
    Rate,
    Secret,
    Site,
)

SHOP = ("shop.lab.example", "www.shop.lab.example")
CRM = "crm.lab.example"
NOBODY = 8009
"""A port of the loopback where nothing listens."""


def sites(release: str, timeout: int) -> tuple[Site, ...]:
    """Return two sites: pages with an application, and an application behind a password."""
    shop = Site(
        names=SHOP,
        files=Files(directory=f"tests/twin/pages/{release}"),
        proxies=(
            Proxy(path="/api/", to=8000, timeout=timeout, max_body_mb=2),
            Proxy(path="/ws", to=8000, exact=True, websocket=True),
            Proxy(path="/down/", to=NOBODY),
            Proxy(path="/few", to=8000, rate=Rate(per_second=1, burst=2)),
        ),
        max_body_mb=1,
    )
    webhook = Proxy(path="/webhook/phone", to=8000, exact=True, unprotected=True)
    users = (AuthUser(name="crm", password=Secret(name="crm_password")),)
    crm = Site(names=(CRM,), proxies=(Proxy(path="/", to=8000), webhook), auth=BasicAuth(users=users))
    return (shop, crm)


def reduced(host: Host, release: str = "one", timeout: int = 60) -> Host:
    """Return the lab's web server with these sites and without containers."""
    served = Nginx(sites=sites(release, timeout))
    return host.model_copy(update={"nginx": served, "docker": None, "compose": None})


def web(host: Host, environment: Environment) -> None:
    """Serve the host as the whole deploy does, but for what is not about the web."""
    site.begin(host, environment)
    apt.packages(("nginx", "certbot"), name="packages: install")
    certbot.placeholders(host, environment)
    nginx.nginx(host, environment)
    certbot.certbot(host, environment)


def bare(host: Host, environment: Environment) -> None:
    """Serve without an authority."""
    served(reduced(host), environment)


def served(host: Host, environment: Environment) -> None:
    """Serve, and write the manifest as the whole deploy does."""
    _, declared = site.begin(host, environment)
    intended = manifest.intend(declared, name="manifest: intend")
    apt.packages(("nginx", "certbot"), name="packages: install")
    certbot.placeholders(host, environment)
    nginx.nginx(host, environment)
    site_files.removed(declared, name="orphans: sites")
    orphaned = orphans.orphaned_files(declared)
    managed_set("orphans", orphaned, Checks(load=("sh", "-c", orphans.RELOAD)), name="orphans: files")
    manifest.narrow(name="manifest: narrow", _if=changed(intended))


def plain_second(host: Host, environment: Environment) -> None:
    """Serve the second release and another configuration, without an authority."""
    served(reduced(host, "two", 50), environment)


def balanced(host: Host, environment: Environment) -> None:
    """Serve behind a load balancer, whose place the controller takes."""
    host = reduced(host)
    assert host.nginx
    behind = Nginx(sites=host.nginx.sites, load_balancers=("192.0.2.10/32",))
    served(host.model_copy(update={"nginx": behind}), environment)


def without_shop(host: Host, environment: Environment) -> None:
    """Serve the second site alone."""
    host = reduced(host)
    assert host.nginx
    served(host.model_copy(update={"nginx": Nginx(sites=host.nginx.sites[1:])}), environment)


def first(host: Host, environment: Environment) -> None:
    """Serve the first release of the pages."""
    web(reduced(host), environment)


def second(host: Host, environment: Environment) -> None:
    """Serve the second release, with another configuration."""
    web(reduced(host, "two", 50), environment)


def fewer(host: Host, environment: Environment) -> None:
    """Serve one name less."""
    host = reduced(host, "two", 50)
    assert host.nginx
    shop, crm = host.nginx.sites
    web(
        host.model_copy(update={"nginx": Nginx(sites=(shop.model_copy(update={"names": SHOP[:1]}), crm))}),
        environment,
    )


def short(host: Host, environment: Environment) -> None:
    """Ask for certificates of six days."""
    settings = Certbot(email="ops@lab.example", profile="shortlived")
    web(reduced(host, "two", 50).model_copy(update={"certbot": settings}), environment)


def alone(host: Host, environment: Environment) -> None:
    """Have a certificate without a web server."""
    wanted = Certificate(names=("web1.lab.example",), why="a service that speaks TLS itself")
    settings = Certbot(email="ops@lab.example", extra=(wanted,))
    web(reduced(host).model_copy(update={"nginx": None, "certbot": settings}), environment)
