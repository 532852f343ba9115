"""The security headers that a site's record asks for, on an answer and in nginx's configuration."""

from __future__ import annotations

from collections.abc import Iterator

from inventories.model import Site
from verify.guideline import OPENER, REFERRER
from verify.nginx_config import Block
from verify.probes.exchange import Reply


def wanted(site: Site) -> dict[str, str]:
    """Return the headers whose values the record decides, or that have only one good value."""
    return {
        "strict-transport-security": f"max-age={site.strict_transport}",
        "content-security-policy": site.content_security_policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": " or ".join(sorted(REFERRER)),
        "cross-origin-opener-policy": " or ".join(sorted(OPENER)),
        "permissions-policy": "a policy",
    }


def fits(name: str, value: str, site: Site) -> bool:
    """Say whether a header's value is what the site's record asks for."""
    if name in (several := {"referrer-policy": REFERRER, "cross-origin-opener-policy": OPENER}):
        return value in several[name]
    if name == "permissions-policy":
        return bool(value)
    if name == "strict-transport-security":
        return value.partition(";")[0].strip() == wanted(site)[name]
    return value == wanted(site)[name]


def differences(reply: Reply, site: Site) -> str:
    """Say which headers of an answer are missing, doubled or other than wanted, or nothing."""
    found = []
    for name in wanted(site):
        values = reply.values(name)
        if len(values) != 1:
            found.append(f"{name} {'is missing' if not values else f'stands {len(values)} times'}")
        elif not fits(name, values[0], site):
            found.append(f"{name}: {values[0]}")
    return "; ".join(found)


def servers(tree: Block, site: Site, *, tls: bool = True) -> Iterator[Block]:
    """Yield the server blocks that answer for a name of the site on port 443, or on port 80."""
    for server in tree.every("server"):
        names = {word for each in server.own("server_name") for word in each.words}
        listens = [each.words for each in server.own("listen")]
        if names & set(site.names) and any(("ssl" in words) is tls for words in listens):
            yield server


def every_location(tree: Block, site: Site) -> Iterator[tuple[str, str]]:
    """Yield each block of the site in which a header is not in force for every status, and which."""
    for server in servers(tree, site):
        for block in (server, *server.every("location", "if", "limit_except")):
            held = {
                each.words[0].lower(): each.words[1]
                for each in block.effective("add_header")
                if len(each.words) == 3 and each.words[2] == "always"
            }
            lost = [name for name in wanted(site) if name not in held or not fits(name, held[name], site)]
            if lost:
                yield f"{site.name}: {block.title}", ", ".join(lost)
