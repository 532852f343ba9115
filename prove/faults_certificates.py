"""Faults of certificates and their renewal: each is found, by its own check, as the root cause."""

from __future__ import annotations

from dataclasses import replace

from prove.fault import Fault

LIVE = "/etc/letsencrypt/live/shop.lab.example"
RENEWAL = "/etc/letsencrypt/renewal/shop.lab.example.conf"
CHAIN, KEY = f"$(readlink -f {LIVE}/fullchain.pem)", f"$(readlink -f {LIVE}/privkey.pem)"
RELOAD = "systemctl reload nginx && sleep 1"
NAMES = "DNS:shop.lab.example,DNS:www.shop.lab.example"
AUTHORITY = "acme-staging-v02.api.letsencrypt.org"


def _made(names: str, *options: str) -> str:
    """Put a certificate made by hand, for the key that is there, in the place of the authority's."""
    words = " ".join(options)
    return (
        f"openssl req -x509 -key {KEY} -subj / -addext subjectAltName={names} {words} -out /tmp/made.pem"
        f" && cat /tmp/made.pem > {CHAIN} && {RELOAD}"
    )


CERTBOT = (
    Fault(
        "dns-points-elsewhere",
        "certbot.names_lead_to_this_host_alone",
        "a name that leads to another host is found before a renewal fails",
        "true",
        names=(("www.shop.lab.example", "198.51.100.11"),),
    ),
    Fault(
        "placeholder-left",
        "certbot.certificates_are_issued",
        "a site that still shows its placeholder is found",
        f"ln -sfn /etc/trunkline/placeholders/crm.lab.example /etc/trunkline/certs/crm.lab.example; {RELOAD}",
    ),
    Fault(
        "certificate-expired",
        "certbot.certificates_have_life_left",
        "an expired certificate is found",
        _made(NAMES, "-not_before 20250101000000Z", "-not_after 20250401000000Z"),
    ),
    Fault(
        "certificate-wrong-name",
        "certbot.certificates_hold_their_names",
        "a certificate without one of its names is found",
        _made("DNS:shop.lab.example", "-days 80"),
    ),
    Fault(
        "renewed-not-served",
        "nginx.socket_serves_the_certificate_on_the_disk",
        "a certificate that was renewed on the disk and is not on the socket is found",
        "certbot -q renew --force-renewal --cert-name shop.lab.example --no-directory-hooks"
        " --no-random-sleep-on-renew",
    ),
    Fault(
        "chain-incomplete",
        "nginx.chain_leads_to_a_trusted_root",
        "a chain without its intermediate, which only some clients mind, is found",
        f"openssl x509 -in {CHAIN} -out /tmp/leaf.pem && cat /tmp/leaf.pem > {CHAIN} && {RELOAD}",
    ),
    Fault(
        "private-key-readable",
        "certbot.private_keys_fit_and_are_private",
        "a private key that others could read is found",
        f"chmod 644 {KEY}",
    ),
    Fault(
        "private-key-other",
        "certbot.private_keys_fit_and_are_private",
        "a private key that is another's is found while nginx still has the right one",
        f"openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 > {KEY}",
        also=("nginx.configuration_is_valid",),
    ),
    Fault(
        "renewal-timer-off",
        "certbot.renewal_will_run",
        "a renewal timer that was switched off is found",
        "systemctl disable -q --now certbot.timer",
    ),
    Fault(
        "renewal-failed",
        "certbot.renewal_will_run",
        "a renewal that failed is found, long before a certificate ends",
        "echo broken > /etc/letsencrypt/renewal/old.example.conf; systemctl start certbot.service;"
        " rm /etc/letsencrypt/renewal/old.example.conf",
        also=("machine.no_unit_has_failed",),
    ),
    Fault(
        "renewal-settings-by-hand",
        "certbot.renewal_asks_the_declared_authority",
        "a renewal that would ask another authority is found",
        f"sed -i 's#^server = .*#server = https://{AUTHORITY}/directory#' {RENEWAL}",
    ),
    Fault(
        "renewal-hook-gone",
        "certbot.renewal_hook_is_in_place",
        "a renewal that nobody would tell nginx of is found",
        "chmod -x /etc/letsencrypt/renewal-hooks/deploy/trunkline",
    ),
    Fault(
        "foreign-certificate",
        "certbot.no_certificate_is_undeclared",
        "a certificate that nobody declared is found",
        "mkdir /etc/letsencrypt/live/old.example",
        verdict="warn",
    ),
    Fault(
        "renewal-broken",
        "certbot.renewal_dry_run_succeeds",
        "a renewal that would fail is found by a dry run",
        f"echo '127.0.0.1 {AUTHORITY}' >> /etc/hosts",
        disruptive=True,
    ),
)
FAULTS = tuple(replace(fault, host="web1") for fault in CERTBOT)
