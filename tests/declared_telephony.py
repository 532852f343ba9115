"""A host with telephony of tests: all is well in it but for what a test says."""

from __future__ import annotations

from typing import Any

from declared import environment, host, made

from inventories.model import (
    AddressTrunk,
    Asterisk,
    Emergency,
    Environment,
    Host,
    Limits,
    RegisteringTrunk,
    Route,
    Secret,
    Tenant,
)

DID, OTHER_DID = "442079460123", "442079460124"
ADDRESSES = ("203.0.113.76/32", "203.0.113.77/32")


def trunk(name: str = "didco", **more: Any) -> AddressTrunk:
    """Return a trunk that is known by its addresses, with nothing wrong, but for what is said."""
    given = {"addresses": ADDRESSES, "server": "sip.carrier.test", **more}
    found: AddressTrunk = made(AddressTrunk, name=name, **given)
    return found


def registering(name: str = "usco", **more: Any) -> RegisteringTrunk:
    """Return a trunk at whose registrar the host registers, with nothing wrong, but for what is said."""
    given = {
        "primary": "sip1.us.test",
        "backup": "sip2.us.test",
        "user": "trunkline",
        "password": Secret(name="usco"),
        **more,
    }
    found: RegisteringTrunk = made(RegisteringTrunk, name=name, **given)
    return found


def route(prefix: str = "+44", **more: Any) -> Route:
    """Return a route over the first trunk, with nothing wrong, but for what is said."""
    found: Route = made(Route, prefix=prefix, **{"trunk": "didco", "caller_id": "+442079460123", **more})
    return found


def tenant(name: str = "sales", **more: Any) -> Tenant:
    """Return a tenant at the first trunk, with nothing wrong, but for what is said."""
    given = {"trunk": "didco", "dids": (DID,), "application": "assistant", "routes": (route(),), **more}
    found: Tenant = made(Tenant, name=name, **given)
    return found


def exchange(**more: Any) -> Asterisk:
    """Return telephony with a trunk and a tenant, with nothing wrong, but for what is said."""
    given = {
        "trunks": (trunk(),),
        "tenants": (tenant(),),
        "emergency": Emergency(refused=True),
        "verification": Secret(name="verification"),
        **more,
    }
    found: Asterisk = made(Asterisk, **given)
    return found


def pbx(asterisk: Asterisk | None = None, **more: Any) -> Host:
    """Return a host with telephony."""
    return host(**{"os": "ubuntu24.04", "asterisk": asterisk or exchange(), **more})


def telephony(**more: Any) -> Environment:
    """Return an environment of one host with telephony like this."""
    return environment(pbx(exchange(**more)))


NARROW = Limits(calls=5)
"""Limits that fit a host of few calls."""
