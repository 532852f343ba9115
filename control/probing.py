"""The commands `invoke probe.*`: each looks from outside and says what it sees, without a judgement."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from control.arguments import number
from control.command import command

HOSTS = "Names or addresses, separated by commas; with --env also the names of its hosts."
HELP = {
    "hosts": HOSTS,
    "env": "The environment in whose network to look (a twin's); default: this machine's own.",
    "place": "From where in a twin: controller (default) or stranger.",
    "port": "Another port than the usual one.",
}


@command("tls", **HELP, names="Names to ask for, separated by commas (default: the host's, or its sites').",
         ca="A PEM file of the only trusted roots (default: the system's; in a twin its own).",
         key_of="A PEM file: say whether the socket has its key.",
         quick="The certificate only, not what versions, groups and ciphers are taken.")  # fmt: skip
def tls(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", names: str = "",
    port: str = "443", ca: str = "", key_of: str = "", quick: bool = False, json: bool = False,
    debug: bool = False,
) -> int:  # fmt: skip
    """Look at a TLS server: versions, groups and ciphers it takes, the certificate it serves."""
    from control.probe import Probe, option, settings, sites_of

    probe = Probe("tls", env=env, twin=twin, place=place, json=json)
    more = settings(port=number("port", port, 1, 65535), key_of=key_of, quick=quick)
    more += ["--ca", ca] if ca else probe.roots
    return probe.look(hosts, lambda host: [*more, *option("--name", names or ",".join(sites_of(host)))])


@command("http", **HELP, name="The site's name (default: the host's).",
         paths="Paths to ask for, separated by commas (default: /).", plain="By HTTP without TLS.",
         follow="Follow redirects and show each hop.",
         user="Also ask without a password, with a wrong one and with the right one, read from stdin.",
         websocket="Ask to switch to WebSocket.", trusting="Take any certificate.",
         ca="A PEM file of the only trusted roots (default: the system's; in a twin its own).")  # fmt: skip
def http(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", name: str = "",
    paths: str = "/", port: str = "0", plain: bool = False, follow: bool = False, user: str = "",
    websocket: bool = False, trusting: bool = False, ca: str = "", json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Ask a web server for paths: status, headers, redirects, whom it lets in."""
    from control.probe import Probe, option, settings, sites_of

    probe = Probe("http", env=env, twin=twin, place=place, json=json)
    more = settings(port=number("port", port, 0, 65535), plain=plain, follow=follow, user=user,
                    websocket=websocket, trusting=trusting)  # fmt: skip
    more += [*(["--ca", ca] if ca else probe.roots), *option("--path", paths)]
    return probe.look(hosts, lambda host: [*more, *settings(name=name or "".join(sites_of(host)[:1]))])


@command("dns", **{**HELP, "hosts": "Names to ask for, separated by commas."},
         types="A, AAAA, CNAME, CAA, MX, NS, SOA, TXT, PTR, separated by commas (default: A,AAAA).",
         server="The name server's address (default: that of the place).")  # fmt: skip
def dns(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", types: str = "",
    server: str = "", port: str = "53", json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Ask a name server for names, by UDP and where an answer is cut short by TCP."""
    from control.probe import Probe, option, settings

    probe = Probe("dns", env=env, twin=twin, place=place, json=json)
    more = settings(server=server, port=number("port", port, 1, 65535))
    return probe.look(hosts, lambda host: [*more, *option("--type", types)])


@command("tcp", **HELP, ports="Such as 22,80,8000-8010.", banner="Read what the server says first.")
def tcp(
    c: Context, hosts: str, ports: str, env: str = "", twin: str = "", place: str = "controller",
    banner: bool = False, json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Connect to TCP ports and say which are open, closed or silent."""
    from control.probe import Probe, settings

    probe = Probe("tcp", env=env, twin=twin, place=place, json=json)
    return probe.look(hosts, lambda host: ["--ports", ports, *settings(banner=banner)])


@command("sweep", **HELP)
def sweep(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", json: bool = False,
    debug: bool = False,
) -> int:  # fmt: skip
    """Ask all 65,535 TCP ports at once (root only) and say which answer."""
    from control.probe import Probe

    return Probe("sweep", env=env, twin=twin, place=place, json=json).look(hosts, lambda host: [])


@command("rtp", **HELP, ports="Such as 10000-10199: UDP ports of a range, or single ones.",
         ssh="Start the responder there by ssh: root@host (default: what the environment says).",
         through="Another way to start it: what runs a shell command on the host, its stdin passed on.",
         inner="The host's own address, where it is behind a NAT.",
         control="A TCP port that answers from here, for where no UDP port does.")  # fmt: skip
def rtp(
    c: Context, hosts: str, ports: str, env: str = "", twin: str = "", place: str = "controller",
    ssh: str = "", through: str = "", inner: str = "", control: str = "0", json: bool = False,
    debug: bool = False,
) -> int:  # fmt: skip
    """Prove which UDP ports can be reached, with a responder that runs on the host meanwhile."""
    from control.probe import Probe, settings

    probe = Probe("rtp", env=env, twin=twin, place=place, json=json)
    more = ["--ports", ports, *settings(inner=inner, control=number("control", control, 0, 65535))]
    with probe.way() as way:
        return probe.look(
            hosts, lambda host: [*more, *settings(ssh=ssh, through=through or (not ssh and way(host)))]
        )


@command("call", **HELP, to="The user or URI to call, an echo (default: echo).",
         transport="UDP (default), TCP or TLS.", caller="The URI in From.",
         user="Answer challenges as this user; the password is in SIP_PASSWORD, or read from stdin.",
         seconds="How long to send sound (default 8: long enough for a report of the other side).",
         media="Our own address for sound (default: that of the signalling).",
         intruder="Another address of ours, that a second source sends from.")  # fmt: skip
def call(
    c: Context, hosts: str, to: str = "echo", env: str = "", twin: str = "", place: str = "controller",
    port: str = "0", transport: str = "UDP", caller: str = "", user: str = "", seconds: str = "8",
    media: str = "", intruder: str = "", json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Call an echo: sound both ways, loss, jitter, MOS, and whether a second source is heard."""
    from control.probe import Probe, settings

    more = settings(to=to, port=number("port", port, 0, 65535), transport=transport, caller=caller, user=user,
                    seconds=number("seconds", seconds, 1, 3600), media=media, intruder=intruder)  # fmt: skip
    return Probe("call", env=env, twin=twin, place=place, json=json).look(hosts, lambda host: more)


@command("ssh", **HELP)
def ssh(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", port: str = "22",
    json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Read what an SSH server offers: key exchanges, host keys, ciphers."""
    from control.probe import Probe, settings

    probe = Probe("ssh", env=env, twin=twin, place=place, json=json)
    return probe.look(hosts, lambda host: settings(port=number("port", port, 1, 65535)))


@command("sip", **HELP, to="Users or URIs to ask for, separated by commas (default: the server itself).",
         transports="UDP, TCP, TLS, separated by commas (default: UDP).",
         method="OPTIONS (the default), REGISTER, INVITE or another; an answered call is hung up at once.",
         caller="The URI of who asks, in From.", count="How often to ask.",
         user="Answer challenges as this user; the password is in SIP_PASSWORD, or read from stdin.",
         name="The name to ask for in TLS (default: the host's).",
         ca="A PEM file of the only trusted roots (default: the system's; in a twin its own).")  # fmt: skip
def sip(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", to: str = "",
    transports: str = "UDP", port: str = "0", method: str = "OPTIONS", caller: str = "", count: str = "1",
    user: str = "", name: str = "", ca: str = "", json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Ask a SIP server: ready, challenged, refused, draining or dead, how fast, and what it gives away."""
    from control.errors import TrunklineError
    from control.probe import Probe, names, option, settings

    if unknown := set(names(transports.upper())) - {"UDP", "TCP", "TLS"}:
        raise TrunklineError(f"--transports {'/'.join(unknown)!r} cannot be used.", "Say UDP, TCP or TLS.")
    probe = Probe("sip", env=env, twin=twin, place=place, json=json)
    more = settings(port=number("port", port, 0, 65535), method=method, caller=caller,
                    count=number("count", count, 1, 10000), user=user, name=name)  # fmt: skip
    more += [*(["--ca", ca] if ca else probe.roots), *option("--to", to)]
    return probe.look(hosts, lambda host: [*more, *option("--transport", transports.upper())])


@command("ike", **HELP,
         proposals="To offer, separated by commas (default: a declared host's, else aes256-sha256-modp2048).",
         ports="Separated by commas (default: 500,4500).",
         weak="Also offer what must be refused: 3DES, MD5, SHA-1, small groups, IKEv1.")  # fmt: skip
def ike(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", proposals: str = "",
    ports: str = "", weak: bool = False, json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Begin IKE with a gateway, without a key: which proposals it takes, where NAT is."""
    from control.probe import Probe, option, proposals_of, settings

    probe = Probe("ike", env=env, twin=twin, place=place, json=json)
    more = [*option("--port", ports), *settings(weak=weak)]
    return probe.look(
        hosts, lambda host: [*more, *option("--proposal", proposals or ",".join(proposals_of(host)))]
    )


@command("ping", **HELP)
def ping(
    c: Context, hosts: str, env: str = "", twin: str = "", place: str = "controller", json: bool = False,
    debug: bool = False,
) -> int:  # fmt: skip
    """Ask hosts for an echo (root only)."""
    from control.probe import Probe

    return Probe("ping", env=env, twin=twin, place=place, json=json).look(hosts, lambda host: [])


probes = Collection("probe", tls, http, dns, tcp, sweep, sip, rtp, call, ssh, ike, ping)
"""The collection `probe`."""
