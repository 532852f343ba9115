"""A web host of tests: all is well in it but for what a test says."""

from __future__ import annotations

from typing import Any

from declared import environment, host

from inventories.model import (
    Build,
    Certbot,
    Compose,
    Container,
    Database,
    Docker,
    Environment,
    Health,
    Nginx,
    Proxy,
    Secret,
    Site,
    Stack,
)

HEALTH = Health(command=("true",))
SHOP = Build(context="twin/images/shop")
CERTBOT = Certbot(email="ops@lab.example")


def site(*names: str, **more: Any) -> Site:
    """Return a site that an application answers."""
    given = {"proxies": (Proxy(path="/", to="shop/api"),), **more}
    return Site(names=names or ("shop.lab.example",), **given)


def api(name: str = "api", **more: Any) -> Container:
    """Return an http service."""
    given = {"image": SHOP, "port": 8000, "loopback": (8000, 8001), "health": HEALTH, **more}
    return Container(name=name, role="http", **given)


def redis(name: str = "redis", **more: Any) -> Container:
    """Return a stateful service."""
    given = {"role": "stateful", "image": "redis:7-alpine", "health": HEALTH, **more}
    return Container(name=name, **given)


def shop(*services: Container, **more: Any) -> Stack:
    """Return a stack of an http service, and of these."""
    return Stack(name="shop", services=(api(), *services), **more)


def crm(*services: Container, **more: Any) -> Stack:
    """Return another stack, of these services."""
    return Stack(name="crm", services=services, **more)


def web(*sites: Site, stacks: tuple[Stack, ...] = (), **more: Any) -> Environment:
    """Return an environment of one web host."""
    given = {
        "os": "debian13",
        "docker": Docker(),
        "nginx": Nginx(sites=sites or (site(),)),
        "compose": Compose(stacks=stacks or (shop(),)),
        "certbot": CERTBOT,
        **more,
    }
    return environment(host("web1", **given))


def running(*services: Container, **more: Any) -> Environment:
    """Return a web host whose one stack has these services beside the http one."""
    return web(stacks=(shop(*services, **more),))


def serving(**more: Any) -> Environment:
    """Return a web host whose http service is declared like this."""
    return web(stacks=(Stack(name="shop", services=(api(**more),)),))


def database(name: str = "db", **more: Any) -> Database:
    """Return a managed database."""
    given = {"kind": "postgresql", "host": f"{name}.lab.example", **more}
    return Database(name=name, password=Secret(name="db_password"), ca=Secret(name="db_ca"), **given)
