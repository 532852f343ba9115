"""Asterisk's files: nobody dials out who may not, nobody becomes a trunk by what they say, no call is cut."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from declared import environment
from declared_telephony import DID, OTHER_DID, exchange, pbx, registering, route, tenant, trunk
from declared_tunnels import swan
from deploys_on_fake import PASSWORD, absent, bare, converged, serve, values

from deploys import asterisk, certbot, fail2ban, site
from deploys._engine import secrets
from inventories.model import (
    Ami,
    AmiUser,
    Ari,
    Certbot,
    Emergency,
    Environment,
    Host,
    Limits,
    Recording,
    Secret,
)

ETC = "/etc/asterisk"
SECRETS = tuple(f"{ETC}/{name}" for name in asterisk.SECRET)
NARROW = Limits(calls=3, per_minute=5, seconds=600)
FULL = {
    "trunks": (trunk(limits=NARROW), registering()),
    "tenants": (
        tenant(
            routes=(route(), route("+1", trunk="usco", strip=1, prepend="00")),
            recording=Recording(quota_mb=7000),
        ),
        tenant("us", trunk="usco", dids=(OTHER_DID,), routes=()),
    ),
    "transports": ("udp", "tcp", "tls"),
    "tls_name": "pbx.trunkline.dev",
    "ari": Ari(password=Secret(name="ari")),
    "ami": Ami(users=(AmiUser(name="watch", password=Secret(name="ami")),)),
}
CERTBOT = Certbot(email="ops@trunkline.dev")


def declared(**more: Any) -> Environment:
    """Return an environment of one host with everything that telephony can have."""
    return environment(pbx(exchange(**{**FULL, **more}), certbot=CERTBOT, strongswan=swan()))


def texts(one: Environment) -> dict[str, str]:
    """Return the content of the host's files by their path."""
    secrets.load(values(one))
    return {file.path: file.content for file in asterisk.files(one.hosts[0], one)}


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section without comments; sections of one name are one."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (line for line in text.splitlines() if line and not line.startswith(";")):
        if line.startswith("["):
            name = line.strip("[]")
        else:
            found.setdefault(name, []).append(line)
    return found


def contexts(**more: Any) -> dict[str, list[str]]:
    """Return the dialplan by context."""
    return sections(texts(declared(**more))[f"{ETC}/extensions.conf"])


def test_passwords_stand_in_secret_files_alone_that_asterisk_can_read() -> None:
    one = declared()
    secrets.load(values(one))
    files = asterisk.files(one.hosts[0], one)
    assert {file.path for file in files if PASSWORD in file.content} == set(SECRETS)
    assert {file.path for file in files if file.secret} == set(SECRETS)
    assert {(f.owner, f.group, f.mode) for f in files if f.path in SECRETS} == {("root", "asterisk", "0640")}


def test_a_semicolon_in_a_password_is_no_comment() -> None:
    one = declared()
    secrets.load({**values(one), "ari": "a;b"})
    files = {file.path: file.content for file in asterisk.files(one.hosts[0], one)}
    assert "password=a\\;b\n" in files[f"{ETC}/ari_secrets.conf"]


def test_nobody_is_a_trunk_but_by_their_address() -> None:
    found = texts(declared())
    pjsip = sections(found[f"{ETC}/pjsip.conf"])
    assert "endpoint_identifier_order=ip" in pjsip["global"]
    assert {line for name in pjsip for line in pjsip[name] if line.startswith("identify_by")} == {
        "identify_by=ip"
    }
    for module in (
        "res_pjsip_endpoint_identifier_user",
        "res_pjsip_endpoint_identifier_anonymous",
        "chan_sip",
    ):
        assert f"noload={module}.so" in found[f"{ETC}/modules.conf"]
    assert [line for line in pjsip["didco"] if line.startswith("match")] == [
        "match=203.0.113.76/32",
        "match=203.0.113.77/32",
    ]


def test_the_echo_is_the_controllers_alone_and_asks_for_a_password() -> None:
    pjsip = sections(texts(declared())[f"{ETC}/pjsip.conf"])
    assert {"context=verification", "auth=verify-auth", "match=192.0.2.10/32"} <= set(pjsip["verify"])
    assert [name for name, lines in contexts().items() if any("Echo()" in line for line in lines)] == [
        "verification"
    ]


def test_whoever_is_in_the_tunnel_or_private_is_told_the_inner_address() -> None:
    transports = sections(texts(declared())[f"{ETC}/pjsip_transports.conf"])
    assert list(transports) == ["system", "udp", "tcp", "tls"]
    assert transports.pop("system") == ["type=system", "timer_t1=100", "timer_b=6400"]
    for lines in transports.values():
        assert "external_media_address=198.51.100.11" in lines
        assert {"local_net=10.0.0.0/8", "local_net=192.168.150.0/24"} <= set(lines)
    assert "cert_file=/etc/asterisk/keys/trunkline.crt" in transports["tls"]


def test_no_line_gives_a_call_away_or_waits_for_a_dead_one() -> None:
    pjsip = sections(texts(declared())[f"{ETC}/pjsip.conf"])
    for name in ("verify", "didco", "usco", "usco-backup"):
        assert {
            "allow_transfer=no", "direct_media=no", "rtp_symmetric=yes", "force_rport=yes", "rtp_timeout=60",
            "trust_id_inbound=no",
        } <= set(pjsip[name])  # fmt: skip
    assert "strictrtp=yes" in texts(declared())[f"{ETC}/rtp.conf"]


def test_a_registration_has_a_reserve_and_never_gives_up() -> None:
    pjsip = sections(texts(declared())[f"{ETC}/pjsip.conf"])
    for name, server in (("usco", "sip1.us.test"), ("usco-backup", "sip2.us.test")):
        assert {
            f"server_uri=sip:{server}:5060",
            "max_retries=4294967295",
            "auth_rejection_permanent=no",
        } <= set(pjsip[name])


def test_what_a_trunk_brings_reaches_its_tenants_and_never_the_way_out() -> None:
    found = contexts()
    inbound = {name: lines for name, lines in found.items() if not name.startswith("out-")}
    assert not [line for lines in inbound.values() for line in lines if "Dial(" in line or "include" in line]
    assert not [
        line for lines in inbound.values() for line in lines if re.search(r"Goto\w*\([^?]*out-", line)
    ]
    assert [line for line in found["from-didco"] if line.startswith("exten")] == [
        f"exten => {DID},1,Set(__TENANT=sales)"
    ]
    assert " same => n,Stasis(assistant,sales,${EXTEN})" in found["from-didco"]
    assert [line for line in found["from-usco"] if line.startswith("exten")] == [
        f"exten => {OTHER_DID},1,Set(__TENANT=us)"
    ]


def test_both_limits_and_the_shorter_length_stand_before_a_call_is_answered() -> None:
    lines = contexts()["from-didco"]
    assert lines[1:4] == [
        " same => n,Gosub(admit,s,1(trunk,didco,3,5))",
        " same => n,Gosub(admit,s,1(tenant,sales,10,30))",
        " same => n,Set(TIMEOUT(absolute)=600)",
    ]
    assert lines.index(" same => n,Answer()") > 3


def test_only_declared_prefixes_are_dialled_and_nothing_that_costs() -> None:
    lines = contexts()["out-sales"]
    extensions = [line.split(",")[0].removeprefix("exten => ") for line in lines if line.startswith("exten")]
    barred = ["_+4487!", "_+449!", "_+1900!", "_+1976!"]
    assert extensions == ["112", "911", "999", *barred, "_+44.", "_+1.", "refused"]


def test_a_number_is_stripped_prepended_and_never_a_second_destination() -> None:
    lines = contexts()["out-sales"]
    assert " same => n,Dial(PJSIP/00${NUMBER:1}@usco,60)" in lines
    assert " same => n,Dial(PJSIP/00${NUMBER:1}@usco-backup,60)" in lines
    assert lines.count(' same => n,GotoIf($["${NUMBER}" != "${EXTEN}"]?refused,1)') == 2


def test_emergency_numbers_are_routed_before_any_limit_or_refused_with_a_word() -> None:
    refused = contexts()["out-sales"]
    assert " same => n,Playback(ss-noservice,noanswer)" in refused
    lines = contexts(emergency=Emergency(trunk="usco"))["out-sales"]
    assert lines[:4] == [
        "exten => 112,1,Set(CALLERID(num)=+442079460123)",
        " same => n,Dial(PJSIP/${EXTEN}@usco,120)",
        " same => n,Dial(PJSIP/${EXTEN}@usco-backup,120)",
        " same => n,Hangup()",
    ]


def test_recordings_are_kept_apart_and_deleted_by_a_timer() -> None:
    one = declared()
    found = texts(one)
    kept = json.loads(found["/etc/trunkline/asterisk.json"])["kept"]
    assert kept == {"sales": {"days": 30, "quota_mb": 7000}}
    assert "/var/spool/asterisk/recordings/sales" in found
    assert "trunkline-asterisk.timer" in site.units_of(one.hosts[0])


def test_interfaces_stay_on_this_host_and_ask_who_it_is() -> None:
    found = texts(declared())
    assert "bindaddr=127.0.0.1\n" in found[f"{ETC}/http.conf"]
    manager = sections(found[f"{ETC}/manager_secrets.conf"])["watch"]
    assert {"deny=0.0.0.0/0.0.0.0", "permit=127.0.0.1/255.255.255.255", "write="} <= set(manager)
    off = texts(declared(ari=None, ami=None))
    assert all("enabled=no" in off[f"{ETC}/{name}"] for name in ("http.conf", "ari.conf", "manager.conf"))


def test_whoever_stops_it_lets_the_calls_end_first_but_not_for_ever() -> None:
    unit = texts(declared(drain=40))["/etc/systemd/system/asterisk.service.d/10-trunkline.conf"]
    assert f"ExecStop=+{asterisk.PROGRAM} drain\n" in unit
    assert "TimeoutStopSec=70\n" in unit


def test_fail2ban_reads_what_asterisk_writes() -> None:
    one = declared()
    logger = sections(texts(one)[f"{ETC}/logger.conf"])["logfiles"]
    assert logger == ["messages.log => notice,warning,error,security"]
    (jail,) = (jail for jail in one.hosts[0].jails(one) if jail.name == "asterisk")
    assert jail.log == "/var/log/asterisk/messages.log"


def test_a_carrier_that_names_no_address_is_not_banned_either() -> None:
    """Two packets forged in its name would be enough."""
    text = next(f.content for f in fail2ban.files(declared().hosts[0], declared()) if "jail.local" in f.path)
    sshd, asterisk_ = text.partition("[asterisk]")[::2]
    (ignored,) = (line.split() for line in asterisk_.splitlines() if line.startswith("ignoreip"))
    assert {"127.0.0.0/8", "192.0.2.10/32", "203.0.113.76/32", "sip1.us.test", "sip2.us.test"} <= set(ignored)
    assert "sip1.us.test" not in sshd


def test_a_renewed_certificate_is_taken_over() -> None:
    one = declared()
    host = one.hosts[0]
    assert host.certbot is not None
    told = json.loads(certbot.declared(host, host.certbot, one))["certificates"]["pbx.trunkline.dev"]["tell"]
    assert told == [["/usr/local/lib/trunkline/asterisk", "certificate"]]


def test_a_host_as_declared_is_left_alone_and_one_that_does_not_hold_it_is_loaded() -> None:
    one = declared()
    host = one.hosts[0]
    seen = converged(host, one)
    assert serve(host, one, seen).changes() == []
    seen.telephony["loaded"] = False
    served = serve(host, one, seen)
    assert served.changes() == ["asterisk: files"]
    assert served.commands["asterisk: files"] == ["/usr/local/lib/trunkline/asterisk load"]


def test_vpn_comes_first_then_telephony_then_bans_and_web() -> None:
    one = declared()
    host = one.hosts[0]
    order = list(serve(host, one, bare(host, one)).commands)
    places = [order.index(step) for step in ("strongswan: peers", "certbot: placeholders", "asterisk: files",
                                             "fail2ban: files", "certbot: files")]  # fmt: skip
    assert places == sorted(places)


@pytest.mark.parametrize("change", [{"tenants": (tenant(),)}, {"transports": ("udp",), "tls_name": None}])
def test_what_changes_is_one_set_that_is_loaded_and_compared(change: dict[str, Any]) -> None:
    one = environment(pbx(exchange(**change)))
    host: Host = one.hosts[0]
    seen = converged(host, one)
    seen.files[f"{ETC}/extensions.conf"] = absent()
    assert serve(host, one, seen).changes() == ["asterisk: files"]
    checks = asterisk.checks(exchange())
    assert (checks.load, checks.loaded) == ((asterisk.PROGRAM, "load"), (asterisk.PROGRAM, "check"))
    assert checks.load_seconds > exchange().drain
