"""asterisk: PJSIP, a dialplan that gives nothing away, and changes that cut no call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deploys._engine import secrets
from deploys._ops import live, systemd
from deploys._ops.dialplan import RECORDINGS
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from deploys._ops.script import text
from deploys._ops.telephony import KEYS, PROGRAM, Exchange, exchange_of
from deploys._ops.telephony_loaded import described
from inventories.model import Asterisk, Environment, Host, RegisteringTrunk, Secret

ETC = "/etc/asterisk"
UNIT = "asterisk.service"
TIMER = "trunkline-asterisk.timer"
UNITS = "/etc/systemd/system"
PATIENCE = 120
"""Seconds that starting and loading may take beside the wait for the calls."""
PLAIN = (
    *("pjsip.conf", "pjsip_transports.conf", "extensions.conf", "rtp.conf", "http.conf", "ari.conf"),
    *("manager.conf", "logger.conf", "modules.conf", "asterisk.conf"),
)
SECRET = ("pjsip_secrets.conf", "ari_secrets.conf", "manager_secrets.conf")


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return all of Asterisk's configuration, what it is compared with, and our program and units."""
    exchange = exchange_of(host, environment)
    if exchange is None or host.asterisk is None:
        return []
    known = with_secrets(exchange, host.asterisk)
    found = [replace(_own(f"{ETC}/{name}"), content=render("asterisk", name, exchange)) for name in PLAIN]
    secret = (replace(_own(f"{ETC}/{name}"), content=render("asterisk", name, known)) for name in SECRET)
    found += [replace(file, secret=True) for file in secret]
    return [*programs(exchange), *directories(host.asterisk), *found]


def programs(exchange: Exchange) -> Iterator[ManagedFile]:
    """Yield our program, what it compares with, and the units."""
    yield ManagedFile("asterisk", PROGRAM, text("asterisk"), mode="0755")
    yield ManagedFile("asterisk", "/etc/trunkline/asterisk.json", described(exchange))
    for name in (f"{UNIT}.d/10-trunkline.conf", "trunkline-asterisk.service", TIMER):
        content = render("asterisk", name.rpartition("/")[2], exchange)
        yield ManagedFile("asterisk", f"{UNITS}/{name}", content)


def directories(asterisk: Asterisk) -> Iterator[ManagedFile]:
    """Yield where recordings and the TLS key are; what they hold is nobody else's to read."""
    kept = [RECORDINGS, *(f"{RECORDINGS}/{each.name}" for each in asterisk.tenants if each.recording)]
    for path in (KEYS, *kept):
        yield ManagedFile("asterisk", path, "", "asterisk", "asterisk", "0750", kind="directory")


def _own(path: str) -> ManagedFile:
    return ManagedFile("asterisk", path, group="asterisk", mode="0640")


def with_secrets(exchange: Exchange, asterisk: Asterisk) -> Exchange:
    """Return the same with its passwords, for the files that nobody is shown."""
    values = {"verify-auth": _value(asterisk.verification)}
    for trunk in asterisk.trunks:
        if isinstance(trunk, RegisteringTrunk):
            password = _value(trunk.password)
            values |= {f"{trunk.name}-auth": password, f"{trunk.name}-backup-auth": password}
    return replace(
        exchange,
        credentials=tuple(replace(each, value=values[each.name]) for each in exchange.credentials),
        ami_users=tuple(replace(each, value=_value(each.declared.password)) for each in exchange.ami_users),
        ari_password=_value(asterisk.ari.password) if asterisk.ari else "",
    )


def _value(secret: Secret) -> str:
    """Return a password as Asterisk's files want it: what follows a semicolon would be a comment."""
    return secrets.value(secret).replace(";", "\\;")


def checks(asterisk: Asterisk) -> Checks:
    """Return how the files are loaded and compared: Asterisk has no checker, and goes on with what it had."""
    return Checks(
        load=(PROGRAM, "load"),
        loaded=(PROGRAM, "check"),
        loaded_within=15,
        load_seconds=asterisk.drain + PATIENCE,
    )


def asterisk(host: Host, environment: Environment) -> None:
    """Write the files and have Asterisk take them on; running calls go on."""
    if host.asterisk is None:
        return
    # The files start it: with the distribution's own it would answer to everybody.
    systemd.unit(UNIT, running=False, name="asterisk: unit")
    wanted = files(host, environment)
    managed_set("asterisk", wanted, checks(host.asterisk), name="asterisk: files", loaded=holds)
    for unit in host.release.units["asterisk"]:
        systemd.unit(unit, name=f"asterisk: {unit}")


def holds() -> bool:
    """Say whether Asterisk has loaded what is declared."""
    return live.telephony()["loaded"]
