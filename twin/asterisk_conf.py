"""The files of a carrier's Asterisk: who it knows, what it offers, how it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inventories.model import Host, RegisteringTrunk, Trunk
from inventories.model.trunk import SIP_PORTS
from twin.carriers import Carrier, Proxy

TONE = "tone"
ECHO = "echo"
EVERYBODY = "0.0.0.0/0"
CAUSES = {404: 1, 480: 19, 486: 17, 403: 21, 503: 34, 484: 28, 488: 58, 500: 38}
"""What of Q.850 Asterisk turns into a SIP status (chan_pjsip, hangup_cause2sip)."""
WRONG = "this is not the password"
_MODULES = (
    *("app_dial", "app_echo", "app_milliwatt", "bridge_simple", "chan_pjsip"),
    *("codec_alaw", "codec_a_mu", "codec_g722", "codec_gsm", "codec_resample", "codec_ulaw"),
    *("format_g729", "func_callerid", "func_channel", "func_timeout", "pbx_config", "pbx_spool"),
    *("res_format_attr_g729", "res_format_attr_opus", "res_pjproject", "res_pjsip", "res_pjsip_acl"),
    *("res_pjsip_authenticator_digest", "res_pjsip_caller_id", "res_pjsip_dlg_options"),
    *("res_pjsip_endpoint_identifier_ip", "res_pjsip_endpoint_identifier_user", "res_pjsip_header_funcs"),
    *("res_pjsip_nat", "res_pjsip_outbound_authenticator_digest", "res_pjsip_path", "res_pjsip_pubsub"),
    *("res_pjsip_registrar", "res_pjsip_rfc3326", "res_pjsip_sdp_rtp", "res_pjsip_session"),
    *("res_rtp_asterisk", "res_sorcery_astdb", "res_sorcery_config", "res_sorcery_memory"),
    *("res_timing_timerfd", "res_crypto", "res_http_websocket"),
)
FILES = {
    "asterisk.conf": """\
[directories]
astetcdir => /conf
astdbdir => /data
astkeydir => /data
astspooldir => /data/spool
astrundir => /data/run
astlogdir => /data/log
[options]
hideconnect = yes
""",
    "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in _MODULES),
    "logger.conf": "[general]\nlogger_queue_limit = 1000\n[logfiles]\nmessages.log => notice,warning,error\n",
    "rtp.conf": "[general]\nrtpstart = 20000\nrtpend = 29999\nstrictrtp = yes\nicesupport = no\n",
}
"""What never changes."""


@dataclass(frozen=True)
class Behaviour:
    """What a carrier does; where it is not the truth, a test wants that."""

    reject: bool = False
    """Registrations are refused."""
    challenge: bool = False
    """No password is the right one."""
    answers: str | int = TONE
    """What calls get: a tone, an echo, or a status."""
    down: tuple[str, ...] = field(default=())
    """Addresses that nothing comes from and nothing gets to."""


def files(
    carrier: Carrier, proxy: Proxy, behaviour: Behaviour, passwords: Mapping[str, str]
) -> dict[str, str]:
    """Return the files that what the carrier does decides."""
    parts = [_transports(carrier.trunk, proxy)]
    if carrier.kind == "registration":
        parts += _subscribers(carrier, proxy, behaviour, passwords)
    else:
        parts += _customers(carrier, proxy)
    head = "[global]\ntype = global\nuser_agent = carrier\nendpoint_identifier_order = username,ip\n"
    return {"pjsip.conf": "\n".join((head, *parts)), "extensions.conf": _dialplan(behaviour.answers)}


def lone(address: str, known: str = EVERYBODY) -> dict[str, str]:
    """Return the files of a PBX that answers whom it knows with an echo, over UDP and TCP."""
    transports = "\n".join(
        f"[{way}]\ntype = transport\nprotocol = {way}\nbind = {address}\n" for way in ("udp", "tcp")
    )
    lines = (
        "[anybody]\ntype = endpoint\ncontext = called\ndisallow = all\nallow = ulaw,alaw\n"
        "direct_media = no\nidentify_by = ip\n\n"
        f"[from-anywhere]\ntype = identify\nendpoint = anybody\nmatch = {known}\n"
    )
    head = "[global]\ntype = global\nuser_agent = office\nendpoint_identifier_order = ip\n"
    return {"pjsip.conf": "\n".join((head, transports, lines)), "extensions.conf": _dialplan(ECHO)}


def line_of(carrier: Carrier, proxy: Proxy, host: str, source: str) -> str:
    """Return the name of the endpoint that calls a host from an address."""
    for number, (its, trunk) in enumerate(carrier.lines):
        if its.name == host:
            place = proxy.addresses.index(source)
            return trunk.user if isinstance(trunk, RegisteringTrunk) else f"line{number}-{place}"
    raise KeyError(host)


def _transports(trunk: Trunk, proxy: Proxy) -> str:
    port = getattr(trunk, "port", SIP_PORTS[trunk.transport])
    return "\n".join(
        f"[at{number}]\ntype = transport\nprotocol = {trunk.transport}\nbind = {address}:{port}\n"
        for number, address in enumerate(proxy.addresses)
    )


def _endpoint(name: str, trunk: Trunk, address: str, number: int, *more: str) -> str:
    lines = (
        *(f"[{name}]", "type = endpoint", f"transport = at{number}", "context = called", "disallow = all"),
        *(
            f"allow = {','.join(trunk.codecs)}",
            f"media_address = {address}",
            "bind_rtp_to_media_address = yes",
        ),
        *("direct_media = no", "send_pai = yes", "trust_id_inbound = yes", "timers = yes", *more, ""),
    )
    return "\n".join(lines)


def _customers(carrier: Carrier, proxy: Proxy) -> Iterator[str]:
    """Yield a line to each host from each address; who calls from a host's address is that host."""
    for line, (host, trunk) in enumerate(carrier.lines):
        for number, address in enumerate(proxy.addresses):
            yield _endpoint(f"line{line}-{number}", trunk, address, number, "identify_by = ip")
        yield f"[host{line}]\ntype = identify\nendpoint = line{line}-0\nmatch = {host.address.ip}\n"


def _subscribers(
    carrier: Carrier, proxy: Proxy, behaviour: Behaviour, passwords: Mapping[str, str]
) -> Iterator[str]:
    """Yield who may register and call, by name and password."""
    for user, trunk in _users(carrier).items():
        more = ["identify_by = auth_username,username", "auth = password-of-" + user, "rewrite_contact = no"]
        more += [] if behaviour.reject else [f"aors = {user}"]
        yield _endpoint(user, trunk, proxy.addresses[0], 0, *more)
        password = WRONG if behaviour.challenge else passwords[trunk.password.name]
        yield (
            f"[password-of-{user}]\ntype = auth\nauth_type = userpass\nusername = {user}\n"
            f"password = {password}\nrealm = {proxy.server}\n"
        )
        yield f"[{user}]\ntype = aor\nmax_contacts = 10\nminimum_expiration = 30\nremove_existing = no\n"


def _users(carrier: Carrier) -> dict[str, RegisteringTrunk]:
    trunks = (trunk for _, trunk in carrier.lines if isinstance(trunk, RegisteringTrunk))
    return {trunk.user: trunk for trunk in trunks}


def _dialplan(answers: str | int) -> str:
    if isinstance(answers, int):
        steps = [f"Hangup({CAUSES[answers]})"]
    else:
        steps = ["Answer()", "Milliwatt()" if answers == TONE else "Echo()", "Hangup()"]
    called = "".join(f"exten => _[+0-9a-zA-Z].,{n},{step}\n" for n, step in enumerate(steps, 1))
    return f"""\
[called]
{called}exten => s,1,Hangup(1)

[calling]
exten => s,1,Set(TIMEOUT(absolute)=${{LENGTH}})
 same => n,Milliwatt()
 same => n,Hangup()
"""


def trunk_of(carrier: Carrier, host: Host) -> Trunk:
    """Return the trunk of a host to this carrier."""
    return next(trunk for its, trunk in carrier.lines if its.name == host.name)
