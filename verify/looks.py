"""The looks that checks share: each is made once a host, early, beside the others."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from inventories.model import Host
from verify.connection import root_is_let_in
from verify.observed import Observed
from verify.seen_ports import Ports, stranger_sees
from verify.snapshot import Snapshot
from verify.vantage import Unseen, Vantage
from verify.verdict import NotProven


def addresses(host: Host) -> tuple[str, ...]:
    """Return the host's public addresses, v4 first."""
    return tuple(str(i.ip) for i in (host.address, host.address6) if i is not None)


def stranger(observed: Observed) -> Vantage:
    """Return the vantage of somebody nobody declared. Raises NotProven where there is none."""
    if "stranger" not in observed.vantages:
        raise NotProven(
            "no vantage point outside was declared", "a look from a stranger's place",
            "Declare a vantage host, or rehearse: the twin has a stranger.", gates=False,
        )  # fmt: skip
    return observed.vantages["stranger"]


def live(observed: Observed, host: Host) -> Snapshot:
    """Return what the host shows from inside."""
    return observed.snapshot(host)


def offers(observed: Observed, host: Host) -> dict[str, dict[str, Any] | str]:
    """Return what sshd offers on each address, or why nothing was heard, as the controller sees it."""
    found: dict[str, dict[str, Any] | str] = {}
    for address in addresses(host):
        try:
            seen = observed.vantages["controller"].probe(
                "ssh", address, "--port", str(host.ssh.port), "--timeout", "4"
            )
            found[address] = seen["offer"]
        except Unseen as error:
            found[address] = str(error)
    return found


def password_login(observed: Observed, host: Host) -> list[dict[str, Any]]:
    """Return what sshd answers to a random password: a stranger's, or the controller's where few may knock.

    The stranger uses a throw-away address: the try counts as an attack.
    """
    vantage = observed.vantages["controller"] if host.ssh.sources else stranger(observed)
    source = () if host.ssh.sources else ("--borrow", throw_away())
    users = [word for user in (host.users.deploy, "root") for word in ("--user", user)]
    where = ["--port", str(host.ssh.port), "--timeout", "8", "--password", *users]
    seen = vantage.probe("ssh", str(host.address.ip), *where, *source)
    logins: list[dict[str, Any]] = seen["logins"]
    return logins


def throw_away() -> str:
    """Return an address of the stranger's own network that nobody else uses (RFC 5737)."""
    return f"203.0.113.{secrets.randbelow(120) + 130}"


def stranger_ports(observed: Observed, host: Host) -> dict[str, Ports]:
    """Return what a stranger sees of each address."""
    vantage = stranger(observed)
    return {address: stranger_sees(observed, host, vantage, address) for address in addresses(host)}


def root_login(observed: Observed, host: Host) -> str:
    """Return what sshd answers the controller's own key for root."""
    observed.connection(host)
    return root_is_let_in(observed.way, host)


LOOKS: dict[str, Callable[[Observed, Host], Any]] = {
    "live": live,
    "offers": offers,
    "password_login": password_login,
    "stranger_ports": stranger_ports,
    "root_login": root_login,
}
"""By the name of the fixture that hands it over; what the chosen checks need is begun at once."""
