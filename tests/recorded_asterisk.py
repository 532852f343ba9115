"""What a real Asterisk said on its console, and the host that it was declared by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inventories.model import (
    AddressTrunk,
    Ami,
    AmiUser,
    Ari,
    Asterisk,
    Emergency,
    Environment,
    Host,
    Limits,
    Recording,
    RegisteringTrunk,
    Route,
    Secret,
    Tenant,
    load,
)
from verify.snapshot import Snapshot

CONSOLE = Path(__file__).resolve().parent / "recorded" / "asterisk" / "console-22.10.1"
"""Debian testing's, on 2026-11-28; `$ ` stands before each command."""
NOW = 1795870300.0
LOG = "/var/log/asterisk/messages.log"
DIDS = ("442079460123", "442079460124")
TRUNKS = (
    AddressTrunk(
        name="didco",
        server="sip.didco.lab.example",
        addresses=("203.0.113.76/32", "203.0.113.77/32", "203.0.113.78/32"),
        limits=Limits(calls=4, per_minute=60),
    ),
    RegisteringTrunk(
        name="usco",
        primary="sip1.usco.lab.example",
        backup="sip2.usco.lab.example",
        user="trunkline",
        password=Secret(name="usco_password"),
    ),
)
SALES = Tenant(
    name="sales",
    trunk="didco",
    dids=DIDS,
    application="assistant",
    recording=Recording(days=7, minutes_a_day=60, quota_mb=500),
    routes=(
        Route(prefix="+44", trunk="didco", caller_id="+442079460123"),
        Route(prefix="+1", trunk="usco", caller_id="+12025550123", strip=1),
    ),
    limits=Limits(calls=3, per_minute=60),
)
TELEPHONY = Asterisk(
    trunks=TRUNKS,
    tenants=(SALES, Tenant(name="us", trunk="usco", dids=("12025550123",), application="assistant")),
    calls=20,
    transports=("udp", "tcp", "tls"),
    tls_name="sip.lab.example",
    drain=20,
    emergency=Emergency(refused=True),
    ari=Ari(password=Secret(name="ari_password")),
    ami=Ami(users=(AmiUser(name="watch", password=Secret(name="ami_password")),)),
    verification=Secret(name="verify_password"),
)


def declared(**more: object) -> Host:
    """Return the host that was recorded, with other telephony where given."""
    first = load("lab").hosts[0]
    given = {name: getattr(first, name) for name in Host.model_fields}
    telephony = {name: getattr(TELEPHONY, name) for name in Asterisk.model_fields} | more
    changes = {
        "name": "pbx1", "os": "debian-testing", "address": "198.51.100.41/24",
        "asterisk": Asterisk.model_validate(telephony),
    }  # fmt: skip
    return Host.model_validate({**given, **changes})


def environment(host: Host) -> Environment:
    """Return an environment of that host alone."""
    return load("lab").model_copy(update={"hosts": (host,), "databases": ()})


def said(**changed: tuple[str, str]) -> dict[str, str]:
    """Return what each command printed; `changed` has a text and its substitute by the command's words."""
    parts = re.split(r"(?m)^\$ (.*)\n", CONSOLE.read_text(encoding="utf-8"))[1:]
    answers = dict(zip(parts[::2], parts[1::2], strict=True))
    for command, (old, new) in changed.items():
        name = command.replace("_", " ")
        assert old in answers[name], f"{name} says nothing like {old!r}"
        answers[name] = answers[name].replace(old, new)
    return answers


def listener(protocol: str, where: str) -> dict[str, Any]:
    """Return a socket that Asterisk holds."""
    address, _, port = where.partition(":")
    return {"protocol": protocol, "address": address, "port": int(port), "process": "asterisk"}


LISTENERS = (
    *(("udp", "0.0.0.0:5060"), ("udp", "0.0.0.0:47896"), ("tcp", "0.0.0.0:5060"), ("tcp", "0.0.0.0:5061")),
    *(("tcp", "127.0.0.1:5038"), ("tcp", "127.0.0.1:8088")),
)
KEPT = {
    "is": True, "writable": True, "owner": "asterisk", "mode": "0750", "files": 4, "bytes": 131696,
    "oldest": NOW - 60, "free": 9971924992,
}  # fmt: skip


def snapshot(answers: Mapping[str, str], **more: Any) -> Snapshot:
    """Return a snapshot of the host; `more` takes the place of single values of the section."""
    section = {"said": dict(answers), "recordings": {"sales": KEPT}, "writes": [LOG], **more}
    active = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
    units = dict.fromkeys(("asterisk.service", "trunkline-asterisk.timer"), active)
    listeners = more.get("listeners", LISTENERS)
    values = {
        "asterisk": section,
        "units": more.get("units", units),
        "listeners": [listener(*each) for each in listeners],
        "fail2ban": {"asterisk": {"logpath": [LOG]}},
    }
    return Snapshot(NOW, 0.3, {name: {"value": value} for name, value in values.items()})
