"""Inventories of tests: all is well in them but for what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inventories.model import (
    Environment,
    Firewall,
    Host,
    Jail,
    ModelError,
    Opening,
    Service,
    User,
    Users,
    checked,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice"
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrQF1IWHWov82JAbYzbMlQdk/8Ri4E2xub+3RY36gwbvo+56U7QcPvPl2dQk"
    "JaXEFsvnGl5AU5TIJMXFLk4FO7FgUcrjoYqfJeYzsMuvD3CROZPERfUTOfXzzSpbOF8+yLpGLe33EbIBx/076r4KdY9sETCNw0"
    "wbEPYgDP1rjPI+620a3+AWyLVyIADgV5RxcXtAyD5qToYEvbc+ZSPUuEF3e1ZauYqQxzxofabUN3/YhmXlJJrXKqcW7W++IMIu"
    "28CtF45WbgIyloHyWIjEBZKPChIkC94LT930j3nkdMqWyADhVPbnlFZqqKZsDFvtF/kH3jzHPSfyGVr3VQg5Zn old@lab.exa"
    "mple"
)
ONLY_V6 = ("2001:db8::/64",)


def users(*accounts: User, **more: Any) -> Users:
    """Return the deploy user and these."""
    return Users(accounts=(User(name="deploy", keys=(KEY,), sudo=True), *accounts), **more)


def host(name: str = "edge1", **more: Any) -> Host:
    """Return a host with nothing wrong, but for what is said."""
    given = {"os": "debian13", "address": "198.51.100.11/24", "users": users(), "group": "edge", **more}
    return Host(name=name, **given)


def second(**more: Any) -> Host:
    """Return another host with nothing wrong, but for what is said."""
    return host("edge2", **{"address": "198.51.100.12/24", **more})


def environment(*hosts: Host, **more: Any) -> Environment:
    """Return an environment with nothing wrong, but for what is said."""
    given = {
        "name": "lab",
        "domain": "lab.example",
        "in_twin": True,
        "controllers": ("192.0.2.10/32",),
        **more,
    }
    return Environment(hosts=hosts or (host(),), **given)


def extra(*openings: Opening) -> Firewall:
    """Return a firewall with these openings besides the services' own."""
    return Firewall(extra=openings)


def account(**more: Any) -> Environment:
    """Return an environment whose only account is this."""
    given = {"name": "deploy", "keys": (KEY,), "sudo": True, **more}
    return environment(host(users=Users(accounts=(User(**given),))))


def key(line: Any) -> Environment:
    """Return an environment whose only key is this."""
    return account(keys=(line,))


def real(**more: Any) -> Environment:
    """Return an environment of real servers, as far as its parts are."""
    given = {"address": "9.9.9.9/24", "users": users(), **more}
    return environment(host(**given), domain="trunkline.dev", controllers=("9.9.8.1/32",), in_twin=False)


class Bait(Service):
    """A service of its own, to stand beside the real ones."""

    ports: tuple[Opening, ...] = ()
    jail: Jail | None = None
    kernel: tuple[tuple[str, str], ...] = ()

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield what it was given."""
        yield from self.ports

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield what it was given."""
        yield from (self.jail,) if self.jail else ()

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield what it was given."""
        yield from self.kernel


class Trap(Host):
    """A host that runs the service of this test too."""

    bait: Bait = Bait()


def trap(**more: Any) -> Environment:
    """Return an environment whose host runs the service of this test."""
    return environment(Trap(name="edge1", os="debian13", address="198.51.100.11/24", users=users(), **more))


def made(kind: Callable[..., Any], **given: Any) -> Any:
    """Return a record as an author makes it who has not asked the type checker."""
    return kind(**given)


SSH = Opening.port(22, "tcp", "SSH")
Declare = Callable[[], Environment]
Rows = dict[str, tuple[Declare, str]]
"""By what is wrong: an inventory, and the sentence it is refused with."""


def refused(declare: Declare) -> list[str]:
    """Return the sentences that an inventory is refused with."""
    with pytest.raises(ModelError) as error:
        checked(declare)
    return [str(problem) for problem in error.value.problems]
