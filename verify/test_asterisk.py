"""Telephony as Asterisk itself has it: loaded objects, transports, carriers, and what it writes and shows."""

from __future__ import annotations

from typing import Any

from inventories.model import Environment, Host
from verify.asterisk import (
    UNIT,
    asterisk_of,
    log_channels,
    names,
    settings,
    shown,
    values,
    wanted_endpoints,
    wanted_objects,
    wanted_transport,
)
from verify.checks import check
from verify.probes.certificate import day, read_pem
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, same

DEPLOY = "`invoke plan` shows what was changed by hand; `invoke deploy` takes it back."
RESTART = "`invoke deploy`, which waits for the calls: a transport does not change while Asterisk runs."
ANSWERS = ("asterisk.daemon_answers",)
OBJECTS = (*ANSWERS, "asterisk.loaded_objects_are_exactly_the_declared")


def has_telephony(host: Host) -> bool:
    """Say whether a host is a telephone exchange."""
    return host.asterisk is not None


def has_tls(host: Host) -> bool:
    """Say whether SIP is spoken over TLS."""
    return host.asterisk is not None and "tls" in host.asterisk.transports


@check(
    fault="asterisk-stopped",
    remedy="systemctl restart asterisk; journalctl -u asterisk and messages.log say what it refuses.",
    applies=has_telephony,
)
def test_daemon_answers(live: Snapshot, evidence: dict[str, Any]) -> None:
    same(live.unit(UNIT), {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"})
    if error := live.error("asterisk"):
        fail(error, "an answer on Asterisk's own socket")
    evidence["version"] = live["asterisk"]["said"]["core show version"].partition(" built")[0]


@check(fault="endpoint-from-a-foreign-file", needs=ANSWERS, remedy=DEPLOY, applies=has_telephony)
def test_loaded_objects_are_exactly_the_declared(declared: Host, live: Snapshot) -> None:
    """Both ways: an endpoint that a foreign file brings is a way in that nobody declared."""
    said = live["asterisk"]["said"]
    for kind, wanted in wanted_objects(asterisk_of(declared)).items():
        exactly((f"{kind}/{name}" for name in names(said, kind)), (f"{kind}/{name}" for name in wanted))


@check(fault=("codec-removed", "transfer-allowed"), needs=OBJECTS, remedy=DEPLOY, applies=has_telephony)
def test_endpoints_have_the_declared_settings(declared: Host, live: Snapshot) -> None:
    """Codecs in their order, context, identification, and what of its peer an endpoint believes."""
    said = live["asterisk"]["said"]
    wrong: dict[str, str] = {}
    for name, wanted in wanted_endpoints(asterisk_of(declared)).items():
        found = settings(said[f"pjsip show endpoint {name}"])
        wrong |= {
            f"{name} {key}": f"{found.get(key)!r}, not {value!r}"
            for key, value in wanted.items()
            if found.get(key) != value
        }
    if wrong:
        fail(wrong, "as declared")


@check(fault="transport-not-loaded", needs=ANSWERS, remedy=RESTART, applies=has_telephony)
def test_transports_are_bound(declared: Host, live: Snapshot) -> None:
    """As objects, both ways, and as sockets of the process: what is loaded need not have got its port."""
    exactly(names(live["asterisk"]["said"], "transports"), asterisk_of(declared).transports, of="transport")
    held = {
        (each["protocol"], each["address"], each["port"])
        for each in live["listeners"]
        if each["process"] == "asterisk"
    }
    for transport in asterisk_of(declared).transports:
        (where,) = wanted_transport(declared, transport)["bind"]
        address, _, port = where.partition(":")
        protocol = "udp" if transport == "udp" else "tcp"
        if (protocol, address, int(port)) not in held:
            told = ", ".join(sorted(f"{p} {a}:{n}" for p, a, n in held)) or "nothing"
            fail(f"Asterisk does not listen on {protocol} {where} ({transport}), only on {told}", where)


@check(
    fault=("external-address-changed", "local-net-missing"),
    needs=("asterisk.transports_are_bound",),
    remedy=RESTART,
    applies=has_telephony,
)
def test_transports_tell_the_declared_addresses(declared: Host, live: Snapshot) -> None:
    """The public address to whoever is outside, the own one to every private and tunnel network."""
    for transport in asterisk_of(declared).transports:
        found = values(live["asterisk"]["said"].get(f"pjsip show transport {transport}", ""))
        for key, wanted in wanted_transport(declared, transport).items():
            exactly(
                (f"{transport} {key} {each}" for each in found.get(key, [])),
                (f"{transport} {key} {each}" for each in wanted),
            )


@check(
    fault="rtp-range-changed",
    needs=ANSWERS,
    remedy="rtpstart, rtpend and strictrtp in /etc/asterisk/rtp.conf: `invoke deploy`.",
    applies=has_telephony,
)
def test_rtp_settings_are_live(declared: Host, live: Snapshot) -> None:
    """What the running module has, not its file: the firewall lets in the declared range alone."""
    found = shown(live["asterisk"]["said"]["rtp show settings"])
    ports = asterisk_of(declared).ports
    same(
        found,
        {
            "Port start": str(ports.first),
            "Port end": str(ports.last),
            "Strict RTP": "Yes",
            "ICE support": "No",
        },
    )


@check(
    fault="jail-reads-another-log",
    needs=(*ANSWERS, "fail2ban.jails_are_exactly_the_declared", "fail2ban.jails_read_what_is_declared"),
    remedy="asterisk -rx 'logger reload' opens the file anew; logger.conf must name the level security.",
    applies=has_telephony,
)
def test_jail_reads_the_log_that_asterisk_writes(
    declared: Host, live: Snapshot, environment: Environment
) -> None:
    """By name and by what the process has open: a log that was moved away under it is read by nobody."""
    channels = dict(log_channels(live["asterisk"]["said"]["logger show channels"]))
    for jail in (jail for jail in declared.jails(environment) if jail.name == "asterisk"):
        for path in live["fail2ban"][jail.name]["logpath"]:
            if "SECURITY" not in channels.get(path, set()):
                fail(
                    f"{path} gets {', '.join(sorted(channels.get(path, ()))) or 'nothing'}",
                    "SECURITY as well",
                )
            if path not in live["asterisk"]["writes"]:
                fail(f"Asterisk has {', '.join(live['asterisk']['writes']) or 'no log'} open", path)


@check(
    fault="tls-certificate-of-tomorrow",
    needs=(*ANSWERS, "time.clock_is_right"),
    remedy="`/usr/local/lib/trunkline/asterisk certificate` copies Certbot's; compare the host's clock.",
    applies=has_tls,
)
def test_tls_certificate_is_valid_now(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    """The file that the transport was given, by the host's own clock: carriers judge it by theirs."""
    try:
        first = read_pem(live["asterisk"]["certificate"])[0]
    except (ValueError, IndexError):
        fail("the file of the TLS transport holds no certificate", "one")
    evidence[", ".join(first.names) or first.subject] = f"{day(first.not_before)} to {day(first.not_after)}"
    if not first.not_before <= live.now <= first.not_after:
        fail(f"valid from {day(first.not_before)} to {day(first.not_after)}", f"valid on {day(live.now)}")
