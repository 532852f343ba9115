"""Only options that Asterisk 18 knows are rendered: Ubuntu 22.04 has 18.10.

A section of pjsip.conf with an unknown option is left out as a whole, by a line in the log alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_deploys_asterisk import ETC, declared, texts

from deploys import asterisk
from inventories.model import Emergency, Environment

PJSIP: dict[str, str] = {
    "global": "endpoint_identifier_order user_agent default_realm keep_alive_interval"
    " unidentified_request_count unidentified_request_period unidentified_request_prune_interval",
    "system": "timer_t1 timer_b",
    "transport": "protocol bind external_media_address external_signaling_address allow_reload local_net"
    " cert_file priv_key_file method",
    "endpoint": "transport context identify_by disallow allow direct_media rtp_symmetric force_rport"
    " rewrite_contact rtp_keepalive rtp_timeout rtp_timeout_hold timers timers_sess_expires dtmf_mode"
    " trust_id_inbound send_pai allow_transfer allow_subscribe inband_progress language aors auth"
    " outbound_auth from_user from_domain deny permit",
    "aor": "contact qualify_frequency qualify_timeout",
    "identify": "endpoint srv_lookups match",
    "auth": "auth_type username password",
    "registration": "transport outbound_auth server_uri client_uri contact_user endpoint line expiration"
    " retry_interval forbidden_retry_interval fatal_retry_interval max_retries auth_rejection_permanent",
}
"""By type of section: looked up in what res_pjsip and its modules register in 18.10.0."""
OTHERS: dict[str, str] = {
    "rtp.conf": "rtpstart rtpend strictrtp icesupport",
    "http.conf": "enabled bindaddr bindport enable_static enable_status servername",
    "ari.conf": "enabled pretty",
    "ari_secrets.conf": "type read_only password_format password",
    "manager.conf": "enabled bindaddr port webenabled displayconnects authtimeout authlimit"
    " allowmultiplelogin",
    "manager_secrets.conf": "secret deny permit read write",
    "asterisk.conf": "systemname maxcalls live_dangerously hideconnect dumpcore documentation_language",
    "logger.conf": "dateformat",
    "modules.conf": "autoload noload",
}
"""By file: looked up in 18.10.0 as well (main/options.c, http.c, manager.c, logger.c, xmldoc.c, loader.c)."""
APPLICATIONS = frozenset(
    ("Set", "GotoIf", "ExecIf", "Gosub", "Return", "Log", "Hangup", "Answer", "Echo", "MixMonitor", "Stasis",
     "Dial", "Playback")
)  # fmt: skip


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    """Every file with everything that telephony can have, by its name; emergency calls both ways."""
    return {path.removeprefix(f"{ETC}/"): text for path, text in texts(declared()).items()}


def blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each section, its name and comments aside; sections of one name stay apart."""
    found: list[str] = []
    for line in (line for line in text.splitlines() if line and line[0] not in ";#"):
        if line.startswith("["):
            yield found
            found = []
        else:
            found.append(line)
    yield found


def option(line: str) -> str:
    """Return the name of what a line sets."""
    return line.partition("=")[0].strip()


@pytest.mark.parametrize("name", ["pjsip.conf", "pjsip_transports.conf", "pjsip_secrets.conf"])
def test_pjsip_gets_no_option_that_18_does_not_know(rendered: dict[str, str], name: str) -> None:
    kinds = set()
    for lines in filter(None, blocks(rendered[name])):
        (kind,) = (line.partition("=")[2] for line in lines if option(line) == "type")
        kinds.add(kind)
        assert {option(line) for line in lines} <= {"type", *PJSIP[kind].split()}
    assert kinds <= PJSIP.keys()


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_file_has_an_option_that_18_does_not_know(rendered: dict[str, str], name: str) -> None:
    lines = [line for each in blocks(rendered[name]) for line in each if "=>" not in line]
    assert {option(line) for line in lines} <= set(OTHERS[name].split())


def test_every_file_is_looked_at() -> None:
    pjsip = {"pjsip.conf", "pjsip_transports.conf", "pjsip_secrets.conf"}
    assert {*OTHERS, *pjsip, "extensions.conf"} == {*asterisk.PLAIN, *asterisk.SECRET}


@pytest.mark.parametrize(
    "one", [declared(), declared(emergency=Emergency(trunk="usco"))], ids=["refused", "routed"]
)
def test_the_dialplan_uses_no_application_that_18_does_not_have(one: Environment) -> None:
    lines = [line for each in blocks(texts(one)[f"{ETC}/extensions.conf"]) for line in each if "=>" in line]
    used = {line.split(",", 2 if "exten" in line else 1)[-1].partition("(")[0] for line in lines}
    assert used <= APPLICATIONS
