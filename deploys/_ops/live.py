"""What is known of the host that is being served: every fact asked once, for all services together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyinfra import context

from deploys._ops.facts.look import Accounts, Files, Stacks, System
from deploys._ops.facts.telephony import Telephony
from deploys._ops.facts.tunnels import Tunnels
from deploys._ops.managed import ManagedFile

KEY = "trunkline_wanted"


@dataclass(frozen=True)
class Wanted:
    """What all services of a host want to know about it."""

    files: tuple[ManagedFile, ...] = ()
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    accounts: tuple[str, ...] = ()
    swap: str | None = None
    stacks: tuple[str, ...] = ()
    """What each stack shall be, as JSON."""
    images: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    agent: str = ""


def begin(wanted: Wanted) -> None:
    """Say what the present host will be asked."""
    context.host.connector_data[KEY] = wanted


def wanted() -> Wanted:
    """Return what the present host is asked."""
    found: Wanted = context.host.connector_data[KEY]
    return found


def files() -> dict[str, dict[str, Any]]:
    """Return the paths that differ from what is wanted."""
    asked = [[file.path, file.fingerprint, file.secret] for file in wanted().files]
    found: dict[str, dict[str, Any]] = context.host.get_fact(Files, json.dumps(asked, separators=(",", ":")))
    return found or {}


def accounts() -> dict[str, dict[str, Any]]:
    """Return the accounts by name."""
    found = context.host.get_fact(Accounts, json.dumps(sorted(wanted().accounts)))
    users: dict[str, dict[str, Any]] = found["users"]
    return users


def system() -> dict[str, Any]:
    """Return packages, units, kernel settings, swap, sshd's ports and the manifest."""
    asked = wanted()
    question = {
        "packages": sorted(asked.packages),
        "units": sorted(asked.units),
        "sysctls": dict(asked.sysctls),
        "swap": asked.swap,
    }
    found: dict[str, Any] = context.host.get_fact(System, json.dumps(question, separators=(",", ":")))
    return found


def tunnels() -> dict[str, bool]:
    """Return whether the kernel does ESP, and whether it and charon hold what the files say."""
    found: dict[str, bool] = context.host.get_fact(Tunnels)
    return found


def telephony() -> dict[str, bool]:
    """Return whether Asterisk holds what its files say."""
    found: dict[str, bool] = context.host.get_fact(Telephony)
    return found


def stacks() -> dict[str, Any]:
    """Return what containers have to do with: images, what references mean, upstreams, what stacks run."""
    asked = wanted()
    question = {
        "stacks": [json.loads(spec) for spec in asked.stacks],
        "images": sorted(asked.images),
        "upstreams": sorted(asked.upstreams),
        "agent": asked.agent,
    }
    found: dict[str, Any] = context.host.get_fact(Stacks, json.dumps(question, separators=(",", ":")))
    return found
