"""certbot: a certificate for every name, proven over port 80 first, shown on the socket after.

Daemons read `/etc/trunkline/certs/<name>`: a placeholder until the authority has signed. Certbot edits
nothing of ours: it asks by webroot where nginx serves, else standalone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from control.errors import TrunklineError
from deploys._ops import certificates, systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from deploys._ops.script import text
from deploys._ops.site_files import TOP
from deploys._ops.sites import CERTIFICATES
from deploys._ops.telephony import PROGRAM as ASTERISK
from deploys.nginx import REJECTED_HANDSHAKES, UNKNOWN, WEBROOT
from inventories.model import Certbot, Certificate, Environment, Host

PACKAGES = ("certbot", "openssl")
TIMER = "certbot.timer"
BUNDLE = "/etc/trunkline/acme-ca.pem"
DECLARED = "/etc/trunkline/certificates.json"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/trunkline"
CHECKS = Checks(load=("systemctl", "daemon-reload"))


@dataclass(frozen=True)
class Renewal:
    """What the templates are made of."""

    ca_bundle: str | None


def certificates_of(host: Host, environment: Environment) -> tuple[Certificate, ...]:
    """Return the certificates of this host, each name once."""
    found = {certificate.name: certificate for certificate in host.certificates(environment)}
    return tuple(found.values())


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return Certbot's settings, the hook that puts a certificate into force, and the timer's drop-ins."""
    if host.certbot is None:
        return []
    renewal = Renewal(BUNDLE if host.certbot.ca_bundle else None)
    units = "/etc/systemd/system"
    found = [
        ManagedFile("certbot", DECLARED, declared(host, host.certbot, environment)),
        ManagedFile("certbot", HOOK, text("certificates_hook"), mode="0755"),
        ManagedFile("certbot", "/etc/letsencrypt/cli.ini", render("certbot", "cli.ini", renewal)),
    ]
    for unit in ("certbot.service", "certbot.timer"):
        path = f"{units}/{unit}.d/trunkline.conf"
        found.append(ManagedFile("certbot", path, render("certbot", unit, renewal)))
    if host.certbot.ca_bundle:
        found.append(ManagedFile("certbot", BUNDLE, _bundle(host.certbot.ca_bundle)))
    return found


def _bundle(path: str) -> str:
    try:
        return (TOP / path).read_text()
    except OSError:
        raise TrunklineError(
            f"certbot.ca_bundle: {path} cannot be read.",
            "Put the authority's CA there (PEM), or leave it out.",
        ) from None


def declared(host: Host, settings: Certbot, environment: Environment) -> str:
    """Return what is asked of the authority, for the programs on the host."""
    served = {site.name: site.names for site in host.nginx.sites} if host.nginx else {}
    asked = {
        "directory": settings.directory,
        "email": settings.email,
        "profile": settings.profile,
        "staging": "staging" in settings.directory,  # as Certbot itself tells it
        "ca_bundle": BUNDLE if settings.ca_bundle else None,
        "webroot": WEBROOT if host.nginx else None,
        "certificates": {
            each.name: {
                "names": each.names,
                "served": served.get(each.name, ()),
                "tell": taken_over(host, each.name),
            }
            for each in certificates_of(host, environment)
        },
    }
    return json.dumps(asked, indent=1) + "\n"


def taken_over(host: Host, name: str) -> tuple[tuple[str, ...], ...]:
    """Return the programs that take a renewed certificate over for daemons that cannot read it there."""
    if host.asterisk is None or host.asterisk.tls_name != name:
        return ()
    return ((ASTERISK, "certificate"),)


def placeholders(host: Host, environment: Environment) -> None:
    """Give every name a certificate that daemons can start with, signed by nobody."""
    names = {each.name: each.names for each in certificates_of(host, environment)}
    if host.nginx and host.release.nginx < REJECTED_HANDSHAKES:
        names[UNKNOWN] = (UNKNOWN,)
    if names:
        certificates.placeholders(names, CERTIFICATES, WEBROOT, name="certbot: placeholders")


def certbot(host: Host, environment: Environment) -> None:
    """Ask the authority for what is missing, once everybody can see that the names lead here."""
    if host.certbot is None:
        return
    managed_set("certbot", files(host, environment), CHECKS, name="certbot: files")
    addresses = tuple(str(interface.ip) for _, interface in host.interfaces)
    for each in certificates_of(host, environment):
        order = certificates.Order(
            each.name,
            each.names,
            host.certbot.directory,
            host.certbot.profile,
            host.nginx is not None,
            addresses,
        )
        certificates.issued(order, name=f"certbot: {each.name}")
    systemd.unit(TIMER, name="certbot: timer")
