"""Faults of telephony that Asterisk itself tells of: each is found, by its own check, as the root cause."""

from __future__ import annotations

from dataclasses import replace

from inventories.model.asterisk import LOG
from prove.fault import Fault
from prove.faults_calls import ETC, HOST, PJSIP, RELOAD
from verify.asterisk import RECORDINGS, TIMER

TRANSPORTS, DIALPLAN = f"{ETC}/pjsip_transports.conf", f"{ETC}/extensions.conf"
KEPT = f"{RECORDINGS}/sales"
REGISTERED = (
    "for n in $(seq 90); do"
    " [ $(asterisk -rx 'pjsip show registrations' | grep -c ' Registered') -ge 2 ] &&"
    " [ $(asterisk -rx 'pjsip show contacts' | grep -c ' Avail ') -ge 3 ] && exit 0; sleep 0.5; done; exit 1"
)
"""What a restart takes is there when both proxies have answered."""


def edited(path: str, *expressions: str, then: str = "true") -> str:
    """Edit a file as one does in a hurry, and have Asterisk take it on; it must change something."""
    words = " ".join(f"-e '{expression}'" for expression in expressions)
    return f"cp {path} /tmp/before; sed -i {words} {path}; ! cmp -s {path} /tmp/before && {{ {then}; }}"


def restarted(*expressions: str) -> str:
    """Edit the transports, which takes a restart."""
    then = f"systemctl restart asterisk; asterisk -rx 'core waitfullybooted' > /dev/null; {REGISTERED}"
    return edited(TRANSPORTS, *expressions, then=then)


def redialled(*expressions: str) -> str:
    """Edit the dialplan."""
    return edited(DIALPLAN, *expressions, then="asterisk -rx 'dialplan reload' > /dev/null; sleep 1")


def managed(path: str, *expressions: str) -> str:
    """Edit a file of AMI."""
    return edited(f"{ETC}/{path}", *expressions, then="asterisk -rx 'manager reload' > /dev/null; sleep 1")


def polled(ask: str, begins: str, until: str) -> str:
    """Do something and wait until the console shows a word."""
    return (
        f"{begins} > /dev/null; for n in $(seq 60); do asterisk -rx '{ask}' | grep -q '{until}' && exit 0;"
        f" sleep 0.5; done; asterisk -rx '{ask}'; exit 1"
    )


OBJECTS = (
    Fault(
        "asterisk-stopped",
        "asterisk.daemon_answers",
        "a stopped Asterisk is named as such, not as carriers that are silent",
        "systemctl stop asterisk",
        also=("firewall.stranger_reaches_exactly_the_declared",),
    ),
    Fault(
        "endpoint-from-a-foreign-file",
        "asterisk.loaded_objects_are_exactly_the_declared",
        "an endpoint that a file of somebody else brings is found",
        f"printf '[byhand]\\ntype=endpoint\\ncontext=nowhere\\nallow=ulaw\\n' > {ETC}/pjsip_by_hand.conf;"
        f" echo '#include pjsip_by_hand.conf' >> {PJSIP}; {RELOAD}",
    ),
    Fault(
        "codec-removed",
        "asterisk.endpoints_have_the_declared_settings",
        "a codec that was taken away is found before a carrier that has no other calls",
        edited(PJSIP, "s/^allow=ulaw,alaw/allow=ulaw/", then=RELOAD),
    ),
    Fault(
        "transfer-allowed",
        "asterisk.endpoints_have_the_declared_settings",
        "an endpoint that may send our calls elsewhere, at our cost, is found",
        edited(PJSIP, "s/^allow_transfer=no/allow_transfer=yes/", then=RELOAD),
    ),
    Fault(
        "carrier-address-missing",
        "asterisk.carriers_are_known_by_exactly_their_addresses",
        "a carrier that Asterisk knows by two of its three addresses is found",
        edited(PJSIP, "/^match=203.0.113.77/d", then=RELOAD),
    ),
    Fault(
        "transport-not-loaded",
        "asterisk.transports_are_bound",
        "a transport that is declared and got no port is found, and named",
        restarted("s/^bind=0.0.0.0:5061/bind=192.0.2.99:5061/"),
        also=("firewall.stranger_reaches_exactly_the_declared",),
    ),
    Fault(
        "external-address-changed",
        "asterisk.transports_tell_the_declared_addresses",
        "another public address than the host's is found in what the transports were started with",
        restarted("s/^external_media_address=.*/external_media_address=198.51.100.99/"),
    ),
    Fault(
        "local-net-missing",
        "asterisk.transports_tell_the_declared_addresses",
        "a private network that would be told the public address is found",
        restarted("/^local_net=172.16/d"),
    ),
    Fault(
        "rtp-range-changed",
        "asterisk.rtp_settings_are_live",
        "a range of ports for voices that is not the firewall's is found in the running module",
        edited(
            f"{ETC}/rtp.conf",
            "s/^rtpend=.*/rtpend=10059/",
            then="asterisk -rx 'module reload res_rtp_asterisk.so' > /dev/null; sleep 1",
        ),
    ),
)
CARRIERS = (
    Fault(
        "backup-unreachable",
        "asterisk.carriers_answer_when_they_are_asked",
        "a backup that nobody would miss until the primary fails is found",
        polled("pjsip show contacts", "asterisk -rx 'pjsip qualify usco-backup'", "usco-backup.* Unavail"),
        carrier=("usco", lambda carrier: carrier.down("backup")),
    ),
    Fault(
        "registration-rejected",
        "asterisk.registrations_hold",
        "a carrier that registers us no longer is found while it still answers",
        polled("pjsip show registrations", "asterisk -rx 'pjsip send register *all'", "usco/.* Rejected"),
        carrier=("usco", lambda carrier: carrier.reject()),
    ),
    Fault(
        "trunk-banned",
        "fail2ban.nobody_trusted_is_banned",
        "a ban of a carrier's address is found, before its calls are missed",
        "fail2ban-client set asterisk banip 203.0.113.77",
    ),
)
DIALLING = (
    Fault(
        "context-by-hand",
        "asterisk.contexts_are_exactly_the_declared",
        "a context that nobody declared is found",
        f"printf '\\n[byhand]\\nexten => 900,1,Hangup()\\n' >> {DIALPLAN};"
        " asterisk -rx 'dialplan reload' > /dev/null; sleep 1",
    ),
    Fault(
        "did-unmapped",
        "asterisk.numbers_lead_to_their_tenants",
        "a number that rings nowhere is found",
        redialled("/^exten => 442079460124,/,/Hangup/d"),
        also=("asterisk.every_carrier_address_is_answered",),
    ),
    Fault(
        "did-of-another-tenant",
        "asterisk.numbers_lead_to_their_tenants",
        "a number that rings at another tenant is found",
        redialled("s/Stasis(assistant,us,/Stasis(assistant,sales,/"),
    ),
    Fault(
        "outbound-reachable-from-inbound",
        "asterisk.nothing_that_comes_in_leads_out",
        "a context of a trunk that includes one which dials out is found",
        redialled("/^.from-didco.$/a include => out-sales"),
    ),
    Fault(
        "route-by-hand",
        "asterisk.tenants_dial_what_is_declared",
        "a route that nobody declared is found",
        redialled("/^.out-sales.$/a exten => _+49X.,1,Dial(PJSIP/${EXTEN}@usco,60)"),
    ),
    Fault(
        "emergency-unhandled",
        "asterisk.emergency_numbers_are_handled",
        "an emergency number that leads nowhere is found",
        redialled("/^exten => 911,/,/Hangup/d"),
    ),
    Fault(
        "call-length-unlimited",
        "asterisk.limits_stand_before_every_call",
        "calls that may last for ever are found",
        redialled("/TIMEOUT(absolute)=3600/d"),
    ),
    Fault(
        "calls-a-minute-unlimited",
        "asterisk.limits_stand_before_every_call",
        "a limit of calls a minute that no longer holds is found",
        redialled("s/> ${ARG4}\\]/> 9999]/"),
    ),
)
INTERFACES = (
    Fault(
        "ami-public",
        "asterisk.interfaces_are_bound_as_declared",
        "AMI that listens to the world is found although the firewall still lets nobody in",
        managed("manager.conf", "s/^bindaddr=.*/bindaddr=0.0.0.0/"),
        also=("firewall.every_listener_is_declared",),
    ),
    Fault(
        "ami-user-with-all-rights",
        "asterisk.interface_users_have_their_rights_alone",
        "a user of AMI who may do anything is found",
        managed("manager_secrets.conf", "s/^write=.*/write=all/"),
    ),
    Fault(
        "ami-permits-everybody",
        "asterisk.interface_users_have_their_rights_alone",
        "a user of AMI who may come from anywhere is found",
        managed("manager_secrets.conf", "s/^permit=.*/permit=0.0.0.0\\/0.0.0.0/"),
    ),
    Fault(
        "application-not-connected",
        "asterisk.applications_are_connected",
        "a program that is connected under another name than the tenants' is found",
        "cat > /tmp/byhand.py <<'EOF'\n"
        "import base64, os, re, socket, time\n"
        f"held = open('{ETC}/ari_secrets.conf').read()\n"
        "user, password = re.search(r'\\[(\\w+)\\]', held)[1], re.search(r'(?m)^password=(.*)$', held)[1]\n"
        "proof = base64.b64encode((user + ':' + password).encode()).decode()\n"
        "wire = socket.create_connection(('127.0.0.1', 8088))\n"
        "lines = ('GET /ari/events?app=byhand HTTP/1.1', 'Host: localhost', 'Upgrade: websocket',\n"
        "    'Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'Authorization: Basic ' + proof,\n"
        "    'Sec-WebSocket-Key: ' + base64.b64encode(os.urandom(16)).decode(), '', '')\n"
        "wire.sendall('\\r\\n'.join(lines).encode())\n"
        "time.sleep(400)\n"
        "EOF\n"
        "setsid python3 -I /tmp/byhand.py > /dev/null 2>&1 < /dev/null &\n"
        + polled("ari show apps", "true", "byhand"),
        was="not proven",
    ),
)
KEEPING = (
    Fault(
        "recording-directory-not-writable",
        "asterisk.recordings_can_be_written",
        "a directory that Asterisk cannot record to is found before a call is lost",
        f"chown root:root {KEPT}",
    ),
    Fault(
        "recordings-kept-too-long",
        "asterisk.recordings_are_kept_as_long_as_declared",
        "a recording that should have been deleted long ago is found",
        f"touch -d '40 days ago' {KEPT}/old.wav; chown asterisk: {KEPT}/old.wav",
    ),
    Fault(
        "recordings-timer-off",
        "asterisk.recordings_are_kept_as_long_as_declared",
        "recordings that nobody would delete are found while there are none too many",
        f"systemctl disable --quiet --now {TIMER}",
    ),
    Fault(
        "jail-reads-another-log",
        "asterisk.jail_reads_the_log_that_asterisk_writes",
        "a log that was moved away under Asterisk, so that the jail reads an empty one, is found",
        f"mv {LOG} {LOG}.1; touch {LOG}; chown asterisk:asterisk {LOG}",
    ),
    Fault(
        "tls-certificate-of-tomorrow",
        "asterisk.tls_certificate_is_valid_now",
        "a certificate that is not valid yet, as one is by a clock that goes wrong, is found",
        f"cd {ETC}/keys; openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=sip.lab.example"
        " -not_before 20400101000000Z -not_after 20410101000000Z -keyout made.key -out made.crt 2> /dev/null"
        " && cat made.key > trunkline.key && cat made.crt > trunkline.crt && rm made.key made.crt",
    ),
    Fault(
        "needrestart-restarts-asterisk",
        "updates.needrestart_is_kept_in_check",
        "a needrestart that would cut every call of an exchange is found",
        "sed -i '/asterisk/d' /etc/needrestart/conf.d/zz-trunkline.conf",
    ),
)
FAULTS = tuple(replace(fault, host=HOST) for fault in (*OBJECTS, *CARRIERS, *DIALLING, *INTERFACES, *KEEPING))
