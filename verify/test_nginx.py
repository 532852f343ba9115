"""nginx: what its sockets serve and refuse, as the world sees it, and the configuration it runs."""

from __future__ import annotations

import re
from typing import Any

from inventories.model import Host, Site
from inventories.model.certbot import LETS_ENCRYPT_STAGING
from verify import guideline
from verify.checks import check
from verify.probes.certificate import read_pem
from verify.questions import ODD
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, not_proven, warn
from verify.web import Replies, Sockets

DEPLOY = "`invoke plan` shows what was changed by hand; `invoke deploy` takes it back."
ANSWERS = ("nginx.every_name_answers",)
VALID = ("nginx.configuration_is_valid",)


def has_sites(host: Host) -> bool:
    """Say whether a host serves sites."""
    return host.nginx is not None


def sites(host: Host) -> tuple[Site, ...]:
    """Return the host's sites."""
    return host.nginx.sites if host.nginx else ()


@check(
    fault="nginx-config-broken",
    remedy="`nginx -t` on the host says where; `invoke deploy`.",
    applies=has_sites,
)
def test_configuration_is_valid(live: Snapshot) -> None:
    if not live["nginx"]["valid"]:
        fail(live["nginx"]["error"] or "nginx -t refuses it", "a configuration that nginx would start with")


@check(
    fault="nginx-stopped",
    needs=VALID,
    remedy="systemctl start nginx; journalctl -u nginx and /var/log/nginx/error.log say why it ended.",
    applies=has_sites,
)
def test_daemon_takes_connections(live: Snapshot) -> None:
    if not live["nginx"]["workers"]:
        fail("nginx has no worker", "a worker that takes connections")


@check(
    fault="tls-off",
    needs=("nginx.daemon_takes_connections", "firewall.stranger_reaches_exactly_the_declared"),
    remedy="systemctl status nginx; /var/log/nginx/error.log; then `invoke deploy`.", applies=has_sites,
)  # fmt: skip
def test_every_name_answers(sockets: Sockets, evidence: dict[str, Any]) -> None:
    evidence["versions"] = sorted({each.served.get("version", "none") for each in sockets.seen})
    if silent := {f"{each.name} at {each.address}": each.error for each in sockets.seen if each.error}:
        fail(silent, "a TLS handshake for every name on port 443")


@check(
    fault="nginx-not-reloaded", needs=("nginx.daemon_takes_connections",), applies=has_sites,
    remedy="systemctl reload nginx; if it refuses, /var/log/nginx/error.log says why.",
)  # fmt: skip
def test_workers_run_the_present_configuration(live: Snapshot) -> None:
    running = live["nginx"]
    if not running["workers"]:
        not_proven("nginx has no worker that takes connections")
    written, path = running["newest"]
    if (late := written - min(running["workers"])) > 0.2:  # file systems keep time in coarser ticks
        fail(f"{path} was written {late:.0f} s after the workers were started", "workers younger than it")


@check(
    fault="renewed-not-served", needs=(*ANSWERS, "certbot.certificates_are_issued"),
    remedy="systemctl reload nginx: it still has the certificate that was there before.",
    applies=lambda host: host.nginx is not None and host.certbot is not None,
)  # fmt: skip
def test_socket_serves_the_certificate_on_the_disk(declared: Host, live: Snapshot, sockets: Sockets) -> None:
    held = live["certificates"]["files"]
    wrong = {}
    for site in sites(declared):
        disk = read_pem(held[site.name]["pem"])[0]
        for each in sockets.seen:
            if each.name in site.names and each.chain[0].sha256 != disk.sha256:
                wrong[f"{each.name} at {each.address}"] = f"serial {each.chain[0].serial}, file {disk.serial}"
    if wrong:
        fail(wrong, "on the socket what is in the file")


@check(
    fault="chain-incomplete",
    needs=("nginx.socket_serves_the_certificate_on_the_disk", "certbot.certificates_hold_their_names",
           "certbot.certificates_have_life_left"),
    remedy="Serve fullchain.pem with its intermediates; `certbot renew --force-renewal --cert-name NAME`.",
    applies=has_sites,
)  # fmt: skip
def test_chain_leads_to_a_trusted_root(declared: Host, sockets: Sockets, evidence: dict[str, Any]) -> None:
    evidence["certificates served"] = {each.name: len(each.chain) for each in sockets.seen}
    wrong = {f"{each.name} at {each.address}": each.served["trust"] or "not in order"
             for each in sockets.seen if each.served["trust"] or not each.served["ordered"]}  # fmt: skip
    if wrong and declared.certbot and declared.certbot.directory == LETS_ENCRYPT_STAGING:
        warn(wrong, "a certificate of the production authority: nobody trusts staging's")
    if wrong:
        fail(wrong, "a chain that needs nothing but a trusted root")


@check(fault="tls-weak-cipher", needs=ANSWERS, remedy=DEPLOY, applies=has_sites)
def test_only_modern_versions_and_ciphers_are_taken(sockets: Sockets, evidence: dict[str, Any]) -> None:
    for each in sockets.seen:
        offer = each.offer
        exactly((v for v, word in offer["versions"].items() if word == "spoken"), guideline.VERSIONS)
        for version, taken in offer["ciphers"].items():
            if weak := set(taken) - guideline.CIPHERS[version]:
                fail(
                    f"{each.name} takes {', '.join(sorted(weak))} in {version}",
                    "none but Mozilla's intermediate",
                )
        evidence[each.name] = offer["ciphers"]


@check(fault="tls-group-lost", needs=ANSWERS, remedy=DEPLOY, applies=has_sites)
def test_key_groups_are_the_modern_ones(declared: Host, sockets: Sockets) -> None:
    groups = guideline.groups(declared.release)
    for each in sockets.seen:
        exactly(each.offer["groups"], groups)
        if each.offer["preferred"] != groups[0]:
            fail(f"{each.name} chooses {each.offer['preferred']} of all", groups[0])


@check(fault="unknown-name-served", needs=ANSWERS, remedy=DEPLOY, applies=has_sites)
def test_unknown_names_are_refused(declared: Host, sockets: Sockets, replies: tuple[Replies, ...]) -> None:
    rejects = declared.release.nginx >= (1, 20)
    for address, heard in sockets.stray.items():
        for name, word in heard.items():
            if rejects and word != "alert unrecognized_name":
                fail(f"{address} says to {name or 'no name'}: {word}", "alert unrecognized_name")
    for seen in replies:
        for label in ("stray plain", "stray address", "stray"):
            if (reply := seen.by_label[label]).status:
                fail(
                    f"{reply.url} at {seen.address} is answered with {reply.status}", "closed without a word"
                )


@check(fault="http-not-redirected", needs=ANSWERS, remedy=DEPLOY, applies=has_sites)
def test_plain_http_only_redirects(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for name in (name for site in sites(declared) for name in site.names):
            get, post = seen[f"{name} plain"], seen[f"{name} plain POST"]
            for reply, codes in ((get, (301, 308)), (post, (307, 308))):
                to = f"https://{name}/{ODD}"
                if reply.status not in codes or reply.header("location") != to:
                    fail(f"{reply.url}: {reply.status} {reply.header('location')}", f"{codes[-1]} to {to}")
            if (asked := seen[f"{name} acme"]).status != 404:
                fail(f"{asked.url}: {asked.status}", "404: the authority asks there without TLS")


@check(fault="version-shown", needs=ANSWERS, remedy=DEPLOY, applies=has_sites)
def test_version_is_not_told(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for reply in (reply for reply in seen.by_label.values() if reply.status):
            told = reply.header("server"), reply.header("x-powered-by")
            if any(any(map(str.isdigit, word)) for word in told) or re.search(r"nginx/\d", reply.text):
                fail(f"{reply.url}: {' '.join(told)} {reply.text[:200]}".strip(), "no version of any program")
