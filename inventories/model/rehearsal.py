"""An environment of real servers as it is rehearsed: the same values, but its hosts live in a twin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from inventories.model.release import ReleaseName
from inventories.model.values import ControllerKey

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

VARIABLE = "TRUNKLINE_REHEARSAL"
"""Names the environment that this process and all it starts rehearse; nobody else's is touched."""
BOOTED_AS: dict[ReleaseName, ReleaseName] = {"ubuntu22.04": "debian12", "ubuntu24.04": "debian13"}
"""What stands in for a release that a twin cannot boot."""


def booted_as(host: Host) -> ReleaseName:
    """Return the release that a host of a twin boots: one that has what the host declares."""
    stands_in = BOOTED_AS.get(host.os, host.os)
    if stands_in == host.os:
        return stands_in
    if host.asterisk:
        return "debian-testing"
    return "debian13" if host.docker else stands_in


def is_rehearsed(name: str) -> bool:
    """Say whether this process rehearses the environment of that name."""
    return os.environ.get(VARIABLE) == name


def rehearsed(environment: Environment) -> Environment:
    """Return the environment as its twin: the deploy account knows the twin's controller as well."""
    hosts = tuple(_host(host) for host in environment.hosts)
    return environment.model_copy(update={"in_twin": True, "hosts": hosts})


def _host(host: Host) -> Host:
    accounts = tuple(
        user.model_copy(update={"keys": (*user.keys, ControllerKey())})
        if user.name == host.users.deploy and ControllerKey() not in user.keys
        else user
        for user in host.users.accounts
    )
    users = host.users.model_copy(update={"accounts": accounts})
    return host.model_copy(update={"users": users, "os": booted_as(host)})
