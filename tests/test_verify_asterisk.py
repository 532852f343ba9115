"""What a real Asterisk said is read as it means it, and each thing that is wrong in it is found."""

from __future__ import annotations

import datetime
import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from recorded_asterisk import (
    DIDS,
    KEPT,
    LISTENERS,
    LOG,
    NOW,
    TELEPHONY,
    declared,
    environment,
    said,
    snapshot,
)

from inventories.model import Host, load
from verify import (
    test_asterisk,
    test_asterisk_carriers,
    test_asterisk_dialplan,
    test_asterisk_interfaces,
)
from verify.asterisk import (
    Registration,
    ami_users,
    applications,
    ari_users,
    asked,
    contacts,
    identified,
    names,
    registrations,
    settings,
    values,
    wanted_objects,
)
from verify.checks import catalogue, check_of
from verify.dialplan import contexts, harm, reached
from verify.on_host.asterisk import COMMANDS, PER_NAME
from verify.on_host.asterisk_cli import DIALPLAN, is_whole
from verify.snapshot import Snapshot
from verify.verdict import Failed, NotProven, Warned

MODULES = (test_asterisk, test_asterisk_carriers, test_asterisk_dialplan, test_asterisk_interfaces)
CHECKS = {
    check.id.partition(".")[2]: function
    for module in MODULES
    for function in vars(module).values()
    if (check := check_of(function)) is not None
}
HOST = declared()


def judged(name: str, live: Snapshot, host: Host = HOST) -> dict[str, Any]:
    """Run a check; return its evidence."""
    known: dict[str, Any] = {
        "declared": host, "live": live, "environment": environment(host), "evidence": {},
        "observed": SimpleNamespace(connection=None),
    }  # fmt: skip
    function = CHECKS[name]
    function(**{key: known[key] for key in inspect.signature(function).parameters})
    return dict(known["evidence"])


def pem(begins: float, ends: float) -> str:
    """Return a certificate that is valid between two moments (seconds from the snapshot's)."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sip.lab.example")])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(
        now + datetime.timedelta(seconds=begins)
    )
    made = built.not_valid_after(now + datetime.timedelta(seconds=ends)).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def test_everything_here_is_a_check_of_the_catalogue() -> None:
    assert {f"asterisk.{name}" for name in CHECKS} <= {check.id for check in catalogue()}
    assert len(CHECKS) == 22


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_what_was_recorded_of_a_healthy_host_is_found_healthy(name: str) -> None:
    apps = said(ari_show_apps=("=\n", "=\nassistant\n"))
    judged(name, snapshot(apps, certificate=pem(-60, 60)))


Broken = tuple[str, str, str, str]
BROKEN: tuple[Broken, ...] = (
    ("loaded_objects_are_exactly_the_declared", "pjsip_show_endpoints",
     " Endpoint:  verify ", " Endpoint:  byhand  Not in use 0 of inf\n\n Endpoint:  verify "),
    ("loaded_objects_are_exactly_the_declared", "pjsip_show_aors", "Aor:  usco ", "Aor:  gone "),
    ("loaded_objects_are_exactly_the_declared", "pjsip_show_auths", "Auth:  usco-auth", "Auth:  gone-auth"),
    ("loaded_objects_are_exactly_the_declared", "pjsip_show_registrations", " usco-backup/", " other/"),
    ("endpoints_have_the_declared_settings", "pjsip_show_endpoint_didco", "(ulaw|alaw)", "(ulaw)"),
    ("endpoints_have_the_declared_settings", "pjsip_show_endpoint_usco", "(ulaw|alaw)", "(alaw|ulaw)"),
    ("endpoints_have_the_declared_settings", "pjsip_show_endpoint_verify",
     "allow_transfer                     : false", "allow_transfer                     : true"),
    ("endpoints_have_the_declared_settings", "pjsip_show_endpoint_verify", ": verify-auth", ": "),
    ("endpoints_have_the_declared_settings", "pjsip_show_endpoint_didco", ": from-didco", ": out-sales"),
    ("carriers_are_known_by_exactly_their_addresses", "pjsip_show_identifies",
     "      Match: 203.0.113.77/32\n", ""),
    ("carriers_are_known_by_exactly_their_addresses", "pjsip_show_identifies",
     "203.0.113.77/32", "203.0.113.0/24"),
    ("carriers_are_known_by_exactly_their_addresses", "pjsip_show_identifies",
     "verify/verify", "verify/didco"),
    ("transports_are_bound", "pjsip_show_transports", "Transport:  tcp", "Transport:  udp2"),
    ("transports_tell_the_declared_addresses", "pjsip_show_transport_tls",
     "external_media_address      : 198.51.100.41", "external_media_address      : 10.0.0.7"),
    ("transports_tell_the_declared_addresses", "pjsip_show_transport_udp",
     " local_net                   : 172.16.0.0/255.240.0.0\n", ""),
    ("rtp_settings_are_live", "rtp_show_settings", "Port end:        10079", "Port end:        20000"),
    ("rtp_settings_are_live", "rtp_show_settings", "Strict RTP:      Yes", "Strict RTP:      No"),
    ("jail_reads_the_log_that_asterisk_writes", "logger_show_channels", " SECURITY", ""),
    ("contexts_are_exactly_the_declared", "dialplan_show",
     "[ Context 'nowhere'", "[ Context 'byhand' created by 'CLI' ]\n\n[ Context 'nowhere'"),
    ("numbers_lead_to_their_tenants", "dialplan_show", f"  '{DIDS[1]}' =>", "  '442079460125' =>"),
    ("numbers_lead_to_their_tenants", "dialplan_show", "Stasis(assistant,us,", "Stasis(assistant,sales,"),
    ("numbers_lead_to_their_tenants", "dialplan_show",
     "MixMonitor(/var/spool/asterisk/recordings/sales", "MixMonitor(/var/spool/asterisk/recordings/us"),
    ("nothing_that_comes_in_leads_out", "dialplan_show", "Echo()", "Dial(PJSIP/1@usco)"),
    ("nothing_that_comes_in_leads_out", "pjsip_show_endpoint_didco", ": from-didco", ": out-sales"),
    ("nothing_that_comes_in_leads_out", "dialplan_show",
     "[ Context 'from-usco' created by 'pbx_config' ]",
     "[ Context 'from-usco' created by 'pbx_config' ]\n  Include =>        'out-sales'      [byhand:6]"),
    ("nothing_that_comes_in_leads_out", "dialplan_show", "Echo()", "Goto(out-sales,+4420,1)"),
    ("nothing_that_comes_in_leads_out", "dialplan_show", "Echo()", "ExecIf($[1 = 1]?Dial(PJSIP/1@usco))"),
    ("tenants_dial_what_is_declared", "dialplan_show", "  '_+44.' =>", "  '_+4.' =>"),
    ("tenants_dial_what_is_declared", "dialplan_show", "${NUMBER}@didco", "${NUMBER}@usco"),
    ("tenants_dial_what_is_declared", "dialplan_show", "CALLERID(num)=+12025550123", "CALLERID(num)=+1"),
    ("tenants_dial_what_is_declared", "dialplan_show",
     "7. MixMonitor(/var/spool/asterisk/recordings/sales/", "7. NoOp(/var/spool/asterisk/recordings/sales/"),
    ("numbers_lead_to_their_tenants", "dialplan_show", "6. MixMonitor(", "6. NoOp("),
    ("tenants_dial_what_is_declared", "dialplan_show", "  '_+4487!' =>", "  '_+4488!' =>"),
    ("tenants_dial_what_is_declared", "dialplan_show",
     "'refused' =>      1. Hangup(21)", "'refused' =>      1. Dial(PJSIP/1@usco)"),
    ("emergency_numbers_are_handled", "dialplan_show", "  '911' =>", "  '912' =>"),
    ("emergency_numbers_are_handled", "dialplan_show", "Playback(ss-noservice,noanswer)", "Wait(1)"),
    ("limits_stand_before_every_call", "dialplan_show", "TIMEOUT(absolute)=3600", "TIMEOUT(digit)=3600"),
    ("limits_stand_before_every_call", "dialplan_show", "s,1(trunk,didco,4,60)", "s,1(trunk,didco,40,60)"),
    ("limits_stand_before_every_call", "dialplan_show", "> ${ARG4}]", "> 9999]"),
    ("limits_stand_before_every_call", "dialplan_show", "> ${ARG3}]", "> 999]"),
    ("limits_stand_before_every_call", "dialplan_show", "Hangup(17)", "Return()"),
    ("interfaces_are_bound_as_declared", "manager_show_settings", "127.0.0.1:5038", "0.0.0.0:5038"),
    ("interfaces_are_bound_as_declared", "http_show_status", "127.0.0.1:8088", "0.0.0.0:8088"),
    ("interfaces_are_bound_as_declared", "manager_show_settings",
     "Web Manager (AMI/HTTP):    No", "Web Manager (AMI/HTTP):    Yes"),
    ("interface_users_have_their_rights_alone", "manager_show_user_watch", "<none>", "system,command,all"),
    ("interface_users_have_their_rights_alone", "manager_show_user_watch",
     "1: allow - 127.0.0.1/255.255.255.255", "1: allow - 0.0.0.0/0.0.0.0"),
    ("interface_users_have_their_rights_alone", "ari_show_users", "trunkline", "somebody"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "command", "old", "new"), BROKEN)
def test_what_is_wrong_in_an_answer_is_found(name: str, command: str, old: str, new: str) -> None:
    with pytest.raises(Failed):
        judged(name, snapshot(said(**{command: (old, new)})))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("transports_are_bound", {"listeners": LISTENERS[:3] + LISTENERS[4:]}),
        ("interfaces_are_bound_as_declared", {"listeners": (*LISTENERS, ("tcp", "0.0.0.0:8089"))}),
        ("jail_reads_the_log_that_asterisk_writes", {"writes": [f"{LOG}.1"]}),
        ("jail_reads_the_log_that_asterisk_writes", {"writes": [f"{LOG} (deleted)"]}),
        ("tls_certificate_is_valid_now", {"certificate": pem(60, 600)}),
        ("tls_certificate_is_valid_now", {"certificate": pem(-600, -60)}),
        ("tls_certificate_is_valid_now", {"certificate": ""}),
        ("recordings_can_be_written", {"recordings": {"sales": {"is": False}}}),
        ("recordings_can_be_written", {"recordings": {"sales": KEPT | {"writable": False}}}),
        ("recordings_can_be_written", {"recordings": {"sales": KEPT | {"mode": "0755"}}}),
        ("recordings_are_kept_as_long_as_declared",
         {"recordings": {"sales": KEPT | {"oldest": NOW - 8 * 86400}}}),
        ("recordings_are_kept_as_long_as_declared",
         {"recordings": {"sales": KEPT | {"bytes": 501 * 2**20}}}),
        ("recordings_are_kept_as_long_as_declared", {"units": {}}),
    ],
)  # fmt: skip
def test_what_is_wrong_beside_the_answers_is_found(name: str, more: dict[str, Any]) -> None:
    with pytest.raises(Failed):
        judged(name, snapshot(said(), **more))


def test_a_disk_without_room_for_what_the_quota_promises_is_told() -> None:
    live = snapshot(said(), recordings={"sales": KEPT | {"free": 100 * 2**20}})
    with pytest.raises(Warned):
        judged("recordings_are_kept_as_long_as_declared", live)


def test_applications_must_be_the_declared_and_nobody_judges_a_twin_without_any() -> None:
    with pytest.raises(NotProven):
        judged("applications_are_connected", snapshot(said()))
    with pytest.raises(Failed):
        judged("applications_are_connected", snapshot(said(ari_show_apps=("=\n", "=\nother\n"))))


def test_an_emergency_call_goes_to_the_trunk_that_takes_it_and_past_every_limit() -> None:
    host = declared(emergency={"trunk": "didco"})
    with pytest.raises(Failed):
        judged("emergency_numbers_are_handled", snapshot(said()), host)
    dialled = ("Playback(ss-noservice,noanswer)", "Dial(PJSIP/${EXTEN}@didco,120)")
    judged("emergency_numbers_are_handled", snapshot(said(dialplan_show=dialled)), host)


def test_names_and_values_are_read_as_they_stand() -> None:
    answers = said()
    for kind, wanted in wanted_objects(TELEPHONY).items():
        assert names(answers, kind) == wanted
    assert identified(answers["pjsip show identifies"])["verify"] == {"192.0.2.10/32"}
    assert registrations(answers["pjsip show registrations"])["usco"].status == "Registered"
    assert registrations(answers["pjsip show registrations"])["usco"].is_at("sip1.usco.lab.example")
    assert set(contacts(answers["pjsip show contacts"]).values()) == {"Avail"}
    assert settings(answers["pjsip show endpoint usco"])["from_user"] == "trunkline"
    assert len(values(answers["pjsip show transport udp"])["local_net"]) == 4
    assert ami_users(answers)["watch"]["write"] == []
    assert applications(answers["ari show apps"]) == set()
    assert asked(load("lab").hosts[0].model_copy(update={"asterisk": None})) is None


OLDER = "r/o?  Username\n----  --------\nNo    trunkline\nYes   watch\n"
"""What `ari show users` is in Asterisk 18 and 20: as in res/ari/cli.c there."""


def test_users_of_ari_are_read_from_older_releases_as_well() -> None:
    assert ari_users(said()["ari show users"]) == {"trunkline": "no"}
    assert ari_users(OLDER) == {"trunkline": "no", "watch": "yes"}
    judged("interface_users_have_their_rights_alone",
           snapshot({**said(), "ari show users": OLDER.replace("Yes   watch\n", "")}))  # fmt: skip
    (pattern,) = (each for listed, each, _ in PER_NAME if listed == "ari show users")
    assert re.findall(pattern, OLDER) == ["trunkline", "watch"]


def test_of_a_long_server_the_console_shows_the_beginning_alone() -> None:
    server = "registrar-2.voice.eu-central.long-carrier.example"
    name, whole = "usco-backup", f"sip:{server}:5060"
    shown = whole[: 53 - len(name)]
    (held,) = registrations(f" {name}/{shown}  usco-backup-auth  Registered       \n").values()
    assert held.is_at(server)
    assert not held.is_at("registrar-1.voice.eu-central.long-carrier.example")
    assert not Registration(name, "sip:registrar-2", "Registered").is_at(server)


def test_the_collector_asks_about_each_name_that_a_list_has() -> None:
    answers = said()
    more = {
        f"{command} {name}"
        for listed, pattern, command in PER_NAME
        for name in re.findall(pattern, answers[listed])
        if set(name) != {"-"}
    }
    assert more == set(answers) - {*COMMANDS, DIALPLAN}


def test_a_dialplan_that_lost_a_line_on_its_way_is_not_taken_for_the_whole() -> None:
    shown = said()[DIALPLAN]
    assert is_whole(shown)
    for line in shown.splitlines(keepends=True):
        if "[extensions.conf:" in line or line.startswith("-="):
            assert not is_whole(shown.replace(line, "", 1)), line


def test_contexts_steps_and_ways_between_them_are_read() -> None:
    plan = contexts(said()["dialplan show"])
    assert [str(step) for step in plan["nowhere"].extensions["_[+0-9a-zA-Z]."]] == ["Hangup(1)"]
    assert len(plan["out-sales"].extensions["_+1."]) == 11
    assert reached(plan, "from-didco") == ["from-didco", "admit"]
    assert harm(plan, "from-didco") == []
    assert harm(plan, "gone") == ["gone leads to gone, which is nowhere in the dialplan"]
    assert any("Dial" in each for each in harm(plan, "out-sales"))


@pytest.mark.parametrize("line", ["  Surprise => 'x'   [byhand]", "     nothing that is known"])
def test_a_dialplan_that_says_something_unknown_is_not_passed_over(line: str) -> None:
    with pytest.raises(ValueError, match="unknown"):
        contexts(f"[ Context 'a' created by 'b' ]\n{line}\n")
