"""One host with telephony, deployed without what is not about it."""

from __future__ import annotations

from deploys import asterisk, firewall, site
from deploys._ops import apt, manifest, orphans
from inventories.model import (
    AddressTrunk,
    Ami,
    AmiUser,
    Ari,
    Asterisk,
    Emergency,
    Environment,
    Host,
    Recording,
    RegisteringTrunk,
    Route,
    Secret,
    Tenant,
)

HOST = "edge2"
CARRIERS = ("203.0.113.76", "203.0.113.77", "203.0.113.78")
DID, OTHER_DID = "442079460123", "442079460124"
PASSWORD = Secret(name="crm_password")
SALES = Tenant(
    name="sales",
    trunk="didco",
    dids=(DID,),
    application="assistant",
    recording=Recording(days=7, minutes_a_day=60, quota_mb=500),
    routes=(Route(prefix="+44", trunk="didco", caller_id="+442079460123"),
            Route(prefix="+1", trunk="usco", caller_id="+442079460123")),
)  # fmt: skip
SUPPORT = Tenant(name="support", trunk="didco", dids=(OTHER_DID,), application="assistant")
TRUNKS = (
    AddressTrunk(name="didco", addresses=tuple(f"{each}/32" for each in CARRIERS), server=CARRIERS[0]),
    RegisteringTrunk(
        name="usco", primary="203.0.113.86", backup="203.0.113.87", user="trunkline",
        password=Secret(name="usco_password"),
        addresses=("203.0.113.86/32", "203.0.113.87/32"),
    ),
)  # fmt: skip


def telephony(*tenants: Tenant, **more: object) -> Asterisk:
    """Return telephony with these tenants."""
    given = {
        "trunks": TRUNKS,
        "tenants": tenants or (SALES,),
        "transports": ("udp", "tcp"),
        "drain": 5,
        "emergency": Emergency(refused=True),
        "ari": Ari(password=PASSWORD),
        "ami": Ami(users=(AmiUser(name="watch", password=PASSWORD),)),
        "verification": PASSWORD,
        **more,
    }
    return Asterisk.model_validate(given)


def declared(host: Host, *tenants: Tenant, **more: object) -> Host:
    """Return a host of the lab with Debian testing and telephony."""
    given = {name: getattr(host, name) for name in Host.model_fields}
    changes = {"os": "debian-testing", "swap": None, "asterisk": telephony(*tenants, **more)}
    return Host.model_validate({**given, **changes})


def alone(environment: Environment) -> Environment:
    """Return the environment with the one host."""
    return environment.model_copy(update={"hosts": (declared(environment.host(HOST)),), "databases": ()})


def serve(host: Host, environment: Environment) -> None:
    """Serve the host as the whole deploy does, but for what is not about telephony."""
    environment = environment.model_copy(update={"hosts": (host,)})
    _, resources = site.begin(host, environment)
    manifest.intend(resources, name="manifest: intend")
    apt.packages((*host.release.packages["asterisk"], "ufw"), name="packages: install")
    firewall.firewall(host, environment)
    asterisk.asterisk(host, environment)
    orphans.orphans(resources)
    manifest.narrow(name="manifest: narrow")


def one(host: Host, environment: Environment) -> None:
    """Serve one tenant."""
    serve(declared(host), environment)


def two(host: Host, environment: Environment) -> None:
    """Serve a second tenant as well."""
    serve(declared(host, SALES, SUPPORT), environment)


def tcp_gone(host: Host, environment: Environment) -> None:
    """Serve without a transport, which takes a restart."""
    serve(declared(host, SALES, SUPPORT, transports=("udp",)), environment)
