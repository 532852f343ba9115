"""Sites: what their pages, assets, applications and errors answer, to whom, and with which headers."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from inventories.model import Host, Proxy, Rate, Site
from verify import nginx_config
from verify.checks import check
from verify.headers import differences, every_location, servers, wanted
from verify.observed import Observed
from verify.questions import ROOT, assets, protected, unprotected
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, not_proven
from verify.web import Replies, burst

DEPLOY = "`invoke plan` shows what was changed by hand; `invoke deploy` takes it back."
ANSWERS = ("nginx.every_name_answers",)
TRUSTED = "nginx.chain_leads_to_a_trusted_root"
"""A password goes to nobody else."""
AWAY = (502, 503, 504)
LONGEST = 31_536_000
"""A year: what assets with a digest in their name may be kept."""
WORTH_PACKING = 1400
"""Bytes that fit into one packet: below it nothing is won by packing."""
PACKED = (".js", ".css", ".html", ".svg", ".json")


def sites(host: Host) -> tuple[Site, ...]:
    """Return the host's sites."""
    return host.nginx.sites if host.nginx else ()


def has_sites(host: Host) -> bool:
    """Say whether a host serves sites."""
    return bool(sites(host))


def has_files(host: Host) -> bool:
    """Say whether a site of the host has files of its own."""
    return any(site.files for site in sites(host))


def has_passwords(host: Host) -> bool:
    """Say whether a site of the host asks for a password."""
    return any(site.auth for site in sites(host))


def has_websockets(host: Host) -> bool:
    """Say whether an application of the host speaks WebSocket."""
    return any(proxy.websocket for site in sites(host) for proxy in site.proxies)


def rates(site: Site) -> list[tuple[Proxy, Rate]]:
    """Return the paths of a site that may be asked only so often."""
    both = ((proxy, proxy.rate or site.rate) for proxy in site.proxies)
    return [(proxy, rate) for proxy, rate in both if rate]


def has_rates(host: Host) -> bool:
    """Say whether a path of the host may be asked only so often."""
    return any(rates(site) for site in sites(host))


def has_applications(host: Host) -> bool:
    """Say whether a site of the host leads to an application."""
    return any(site.proxies for site in sites(host))


@check(fault="header-lost-on-assets", needs=ANSWERS, remedy=DEPLOY, applies=has_sites)
def test_security_headers_are_on_every_answer(
    declared: Host, replies: tuple[Replies, ...], evidence: dict[str, Any]
) -> None:
    """Pages, assets, applications and what nginx itself answers: 401, 404, 413, 501."""
    wrong: dict[str, str] = {}
    statuses: set[int] = set()
    for seen in replies:
        for site in sites(declared):
            for reply in (r for r in seen.answered(f"{site.name} ") if r.url.startswith("https:")):
                statuses.add(reply.status)
                if reply.status != 101 and (missing := differences(reply, site)):
                    wrong[f"{reply.status} {reply.url}"] = missing
    evidence["statuses"] = sorted(statuses)
    if wrong:
        fail(wrong, wanted(sites(declared)[0]))


@check(
    fault="header-lost-on-errors", needs=("sites.security_headers_are_on_every_answer",),
    remedy=DEPLOY, applies=has_sites,
)  # fmt: skip
def test_security_headers_hold_for_errors_of_every_location(declared: Host, live: Snapshot) -> None:
    """What an application that is down would show (502, 504), read from the configuration that runs."""
    tree = nginx_config.read(live["nginx"]["config"])
    wrong = {where: lost for site in sites(declared) for where, lost in every_location(tree, site)}
    if wrong:
        fail(wrong, "each header with `always`, in force in every location")


@check(
    fault="application-unreachable", remedy="/var/log/nginx/error.log names the upstream.",
    needs=(*ANSWERS, "compose.nginx_is_sent_to_the_colour_that_runs", "compose.every_service_is_healthy",
           "sites.password_is_asked_everywhere", TRUSTED),
    applies=has_sites,
)  # fmt: skip
def test_every_application_answers(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in sites(declared):
            for proxy in site.proxies:
                user = site.auth.users[0].name if site.auth and not proxy.unprotected else ""
                label = f"{site.name} right {user} {proxy.path}" if user else f"{site.name} asks {proxy.path}"
                if (reply := seen[label]).status in AWAY:
                    fail(f"{reply.url}: {reply.status}", "an answer of the application")


@check(fault="auth-off", needs=ANSWERS, remedy=DEPLOY, applies=has_passwords)
def test_password_is_asked_everywhere(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in (site for site in sites(declared) if site.auth):
            asked = [seen[f"{site.name} asks {path}"] for path in protected(site)]
            for reply in (*asked, seen[f"{site.name} wrong"]):
                realm = f'Basic realm="{site.auth.realm}"' if site.auth else ""
                if reply.status != 401 or not reply.header("www-authenticate").startswith(realm):
                    fail(f"{reply.url} without the password: {reply.status}", f"401 and {realm}")


@check(
    fault="password-refused", needs=("sites.password_is_asked_everywhere", TRUSTED),
    remedy="The hashes are not of the present secrets: `invoke deploy`.", applies=has_passwords,
)  # fmt: skip
def test_right_password_opens(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in (site for site in sites(declared) if site.auth):
            for user in site.auth.users if site.auth else ():
                for path in protected(site):
                    if (reply := seen[f"{site.name} right {user.name} {path}"]).status in (401, 403):
                        fail(f"{reply.url} as {user.name}: {reply.status}", "let in")


@check(fault="webhook-closed", needs=ANSWERS, remedy=DEPLOY, applies=has_passwords)
def test_open_paths_ask_for_no_password(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in sites(declared):
            for proxy in unprotected(site):
                if (reply := seen[f"{site.name} asks {proxy.path}"]).status in (401, 403):
                    fail(f"{reply.url}: {reply.status}", "an answer without a password")


@check(
    fault="site-file-by-hand", needs=ANSWERS, remedy="`invoke deploy` ships the files of this release again.",
    applies=lambda host: any(site.files for site in sites(host)),
)  # fmt: skip
def test_files_are_the_declared(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in (site for site in sites(declared) if site.files):
            page = ROOT / (site.files.directory if site.files else "") / "index.html"
            files = {f"{site.name} asset {path}": file for path, file in assets(site).items()}
            for label, file in {f"{site.name} asks /": page, f"{site.name} asks deep": page, **files}.items():
                reply = seen[label]
                if reply.status != 200 or reply.sha256 != hashlib.sha256(file.read_bytes()).hexdigest():
                    fail(f"{reply.url}: {reply.status}, {reply.bytes} bytes", f"the content of {file.name}")
            if (gone := seen[f"{site.name} asks missing asset"]).status != 404:
                fail(f"{gone.url}: {gone.status}", "404: a missing asset is no page")


@check(
    fault="asset-not-cached", needs=("sites.files_are_the_declared",), remedy=DEPLOY,
    applies=lambda host: any(site.files for site in sites(host)),
)  # fmt: skip
def test_assets_are_cached_and_pages_are_not(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in (site for site in sites(declared) if site.files):
            page, gone = seen[f"{site.name} asks /"], seen[f"{site.name} asks missing asset"]
            for reply in (page, gone):
                if not {"no-cache", "no-store"} & set(reply.header("cache-control").split(", ")):
                    fail(f"{reply.url}: {reply.header('cache-control') or 'no Cache-Control'}", "no-cache")
            for path in assets(site):
                kept = seen[f"{site.name} asset {path}"].header("cache-control")
                if not {f"max-age={LONGEST}", "immutable"} <= set(kept.split(", ")):
                    fail(f"{path}: {kept or 'no Cache-Control'}", f"max-age={LONGEST}, immutable")


@check(fault="gzip-off", needs=("sites.files_are_the_declared",), remedy=DEPLOY, applies=has_files)
def test_large_texts_are_packed(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in sites(declared):
            for path, file in assets(site).items():
                reply = seen[f"{site.name} asset {path}"]
                large = file.suffix in PACKED and file.stat().st_size > WORTH_PACKING
                if large and reply.header("content-encoding") != "gzip":
                    fail(f"{path}: {reply.bytes} bytes as they are", "packed by gzip")
                if large and "accept-encoding" not in reply.header("vary").lower():
                    fail(f"{path}: Vary {reply.header('vary') or 'is missing'}", "Vary: Accept-Encoding")


@check(
    fault="websocket-closed",
    needs=("sites.every_application_answers",),
    remedy=DEPLOY,
    applies=has_websockets,
)
def test_websockets_open(declared: Host, replies: tuple[Replies, ...]) -> None:
    for seen in replies:
        for site in sites(declared):
            for proxy in (proxy for proxy in site.proxies if proxy.websocket):
                reply = seen[f"{site.name} upgrades {proxy.path}"]
                if not reply.upgraded:
                    fail(f"{reply.url}: {reply.status}", "101 and the key's right answer (RFC 6455)")


@check(fault="body-limit-off", needs=ANSWERS, remedy=DEPLOY, applies=has_applications)
def test_bodies_are_limited_as_declared(declared: Host, live: Snapshot, replies: tuple[Replies, ...]) -> None:
    """One byte more than declared is refused; that no less is, the configuration says."""
    for seen in replies:
        for site in sites(declared):
            for proxy in site.proxies:
                reply = seen.by_label[f"{site.name} 413 {proxy.path}"]
                if reply.status != 413:
                    fail(f"{reply.url} with too much: {reply.status or reply.error}", "413 before it is sent")
    tree = nginx_config.read(live["nginx"]["config"])
    for site in sites(declared):
        limits = {site.max_body_mb, *(proxy.max_body_mb or site.max_body_mb for proxy in site.proxies)}
        found = {
            each.words[0]
            for server in servers(tree, site)
            for block in (server, *server.every("location"))
            for each in block.effective("client_max_body_size")
        }
        exactly(found, {f"{limit}m" for limit in limits})


@check(fault="rate-limit-off", disruptive=True, needs=ANSWERS, remedy=DEPLOY, applies=has_rates)
def test_rates_are_limited_as_declared(declared: Host, observed: Observed, evidence: dict[str, Any]) -> None:
    for site in sites(declared):
        for proxy, rate in rates(site):
            began, codes = time.monotonic(), burst(observed, declared, site, proxy, rate)
            seconds = max(time.monotonic() - began, 0.1)
            evidence[f"{site.name}{proxy.path}"] = {str(code): codes.count(code) for code in set(codes)}
            if len(codes) / seconds < 2 * rate.per_second:
                not_proven(f"only {len(codes) / seconds:.0f} requests a second could be sent", gates=False)
            if 429 not in codes:
                fail(
                    f"{len(codes)} requests to {site.name}{proxy.path} within {seconds:.1f} s, none refused",
                    "429",
                )
