"""Faults of telephony as those who call meet them: each is found, by its own check, as the root cause."""

from __future__ import annotations

from dataclasses import replace

from prove.fault import Fault

HOST = "pbx1"
ETC = "/etc/asterisk"
PJSIP, SECRETS = f"{ETC}/pjsip.conf", f"{ETC}/pjsip_secrets.conf"
RELOAD = "asterisk -rx 'module reload res_pjsip.so' > /dev/null; sleep 2"
"""It answers before it has read everything."""
TRANSPORTS = f"{ETC}/pjsip_transports.conf"
RESTART = (
    "systemctl restart asterisk; asterisk -rx 'core waitfullybooted';"
    " for n in $(seq 60); do [ $(asterisk -rx 'pjsip show registrations' | grep -c ' Registered') -ge 2 ]"
    " && exit 0; sleep 0.5; done; asterisk -rx 'pjsip show registrations'; exit 1"
)
"""Registrations come some seconds after a start."""


def endpoint(context: str, setting: str) -> str:
    """Give the endpoints of a context one more setting, as one does in a hurry."""
    return f"sed -i '/^context={context}/a {setting}' {PJSIP}; {RELOAD}"


OUTSIDE = (
    Fault(
        "verification-password-other",
        "asterisk.who_has_the_password_is_answered",
        "a password that was changed by hand is found before a call with it fails",
        f"sed -i '/^.verify-auth/,/^password/ s/^password=.*/password=another/' {SECRETS}; {RELOAD}",
    ),
    Fault(
        "anonymous-names-told-apart",
        "asterisk.known_and_unknown_names_get_the_same_answer",
        "an extension that answers without a password, where nobody else does, is found",
        f"sed -i '/^auth=verify-auth/d' {PJSIP}; {RELOAD}",
        also=("asterisk.endpoints_have_the_declared_settings",),
    ),
    Fault(
        "carrier-address-refused",
        "asterisk.every_carrier_address_is_answered",
        "a carrier that is heard from two of its three addresses is found",
        f"last=$(sed -n 's/^match=//p' {PJSIP} | tail -n 1);"
        f" printf '\\n[byhand]\\ntype=acl\\ndeny=%s\\n' $last >> {PJSIP}; {RELOAD}",
    ),
    Fault(
        "stranger-taken-for-a-carrier",
        "asterisk.stranger_gets_no_more_than_a_challenge",
        "a trunk that takes a whole network for its carrier is found",
        f"sed -i -E 's/^(match|permit)=203.0.113.76.32/&\\n\\1=203.0.113.128\\/25/' {PJSIP}; {RELOAD}",
        also=("asterisk.carriers_are_known_by_exactly_their_addresses",),
    ),
    Fault(
        "outside-reachable-from-trunk",
        "asterisk.nobody_outside_calls_out",
        "a number outside that can be dialled from a trunk is found by dialling it",
        f"sed -i '/^.from-didco/a exten => _+44X.,1,Progress()\\n same => n,Wait(3)\\n same => n,Hangup()'"
        f" {ETC}/extensions.conf; asterisk -rx 'dialplan reload' > /dev/null",
        also=("asterisk.numbers_lead_to_their_tenants",),
    ),
    Fault(
        "range-half-closed",
        "asterisk.range_for_voices_is_open",
        "a provider's firewall that lets half of the range in is found, and the half is named",
        "true",
        dropped=("udp dport 10040-10079",),
        also=("firewall.stranger_reaches_exactly_the_declared",),
    ),
    Fault(
        "ari-public",
        "asterisk.interfaces_are_closed_outside",
        "ARI that listens to the world, with a rule that lets the world in, is found by connecting",
        f"sed -i 's/^bindaddr=.*/bindaddr=0.0.0.0/' {ETC}/http.conf;"
        " asterisk -rx 'module reload http' > /dev/null; sleep 1;"
        " iptables -I INPUT -p tcp --dport 8088 -j ACCEPT",
        also=(
            "firewall.kernel_admits_exactly_the_declared",
            "firewall.every_listener_is_declared",
            "asterisk.interfaces_are_bound_as_declared",
        ),
    ),
    Fault(
        "tls-shows-another-certificate",
        "asterisk.tls_shows_the_certificate",
        "a certificate on the socket that is not the one on the disk is found",
        f"cd {ETC}/keys; openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=by-hand -keyout made.key"
        " -out made.crt 2> /dev/null; cat made.key > trunkline.key; cat made.crt > trunkline.crt;"
        " rm made.key made.crt",
    ),
    Fault(
        "private-address-told",
        "asterisk.public_address_is_told",
        "a private address in what a carrier is told to send voices to is found",
        endpoint("from-", "media_address=169.254.9.9"),
        also=("asterisk.endpoints_have_the_declared_settings",),
    ),
)
CALLS = (
    Fault(
        "encryption-asked-of-a-carrier",
        "asterisk.each_number_rings_at_its_tenant",
        "a trunk that insists on encrypted voices, which its carrier has not, is found by a call",
        endpoint("from-", "media_encryption=sdes"),
        also=("asterisk.endpoints_have_the_declared_settings",),
    ),
    Fault(
        "recordings-not-written",
        "asterisk.recordings_hold_what_was_said",
        "recordings that are lost without a word are found while the calls go on well",
        "asterisk -rx 'module unload format_wav.so' > /dev/null",
    ),
    Fault(
        "caller-id-overridden",
        "asterisk.calls_go_out_as_declared",
        "a trunk that shows another caller than the route declares is found at the carrier",
        endpoint("from-didco", "from_user=442079460999"),
        also=("asterisk.endpoints_have_the_declared_settings",),
    ),
    Fault(
        "echo-not-taken",
        "asterisk.echo_is_heard_both_ways",
        "an echo that answers OPTIONS and takes no call is found",
        endpoint("verification", "media_encryption=sdes"),
        also=("asterisk.endpoints_have_the_declared_settings",),
    ),
    Fault(
        "voices-lost",
        "asterisk.voices_are_good",
        "a path that loses seven of a hundred voices is found although every call is set up",
        "true",
        dropped=("udp sport 10000-10079 udp length 180 numgen random mod 100 < 7",),
    ),
    Fault(
        "strict-rtp-off",
        "asterisk.second_source_is_not_heard",
        "a port that plays the voices of whoever sends there is found by sending",
        f"sed -i 's/^strictrtp=.*/strictrtp=no/' {ETC}/rtp.conf;"
        " asterisk -rx 'module reload res_rtp_asterisk.so' > /dev/null; sleep 1",
        also=("asterisk.rtp_settings_are_live",),
    ),
)
UPSETS = (
    Fault(
        "timers-by-default",
        "asterisk.backup_takes_over_and_gives_back",
        "a backup that is tried only after half a minute is found",
        f"sed -i -e 's/^timer_t1=.*/timer_t1=500/' -e 's/^timer_b=.*/timer_b=32000/' {TRANSPORTS}; {RESTART}",
    ),
    Fault(
        "call-limit-removed",
        "asterisk.calls_over_the_limit_are_refused",
        "a limit of simultaneous calls that no longer holds is found by calling once more",
        f"sed -i 's/> ${{ARG3}}\\]/> 999]/' {ETC}/extensions.conf;"
        " asterisk -rx 'dialplan reload' > /dev/null",
        also=("asterisk.limits_stand_before_every_call",),
    ),
    Fault(
        "bans-without-effect",
        "asterisk.attackers_are_banned_and_carriers_never",
        "a jail that runs and reads a log in which nothing of an attack is written is found by an attack",
        f"sed -i 's/ notice,warning,error,security/ warning,error/' {ETC}/logger.conf;"
        " asterisk -rx 'logger reload' > /dev/null",
        also=("asterisk.jail_reads_the_log_that_asterisk_writes",),
    ),
    Fault(
        "session-timers-off",
        "asterisk.sessions_are_refreshed_in_time",
        "an exchange that lets sessions end, or keeps calls for ever whose caller is gone, is found",
        f"sed -i 's/^timers=yes/timers=no/' {PJSIP}; {RELOAD}",
        also=("asterisk.endpoints_have_the_declared_settings",),
    ),
)
FAULTS = (
    *(replace(fault, host=HOST) for fault in (*OUTSIDE, *CALLS)),
    *(replace(fault, host=HOST, disruptive=True, seconds=240) for fault in UPSETS),
)
