"""Certificates on a real host, from a real authority: names proven first, then shown on the socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from own_twin import own
from web_on_host import HOST, WebHost

from inventories.model import Environment

SHOP, WWW, CRM = "shop.lab.example", "www.shop.lab.example", "crm.lab.example"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/trunkline"


@pytest.fixture(scope="module")
def web(lab: Environment) -> Iterator[WebHost]:
    """A host with placeholders, which nginx serves with."""
    web = WebHost(lab)
    with own(web.twin):
        web.application()
        web.deploy("bare")
        yield web


def shown(web: WebHost, name: str) -> str:
    """Return issuer and serial of what a name shows."""
    return web.shown(name)


def test_nginx_starts_with_a_placeholder_which_is_a_planned_change(web: WebHost) -> None:
    assert "O=Trunkline, CN=placeholder" in shown(web, SHOP)
    plan = web.planned("first")
    assert plan[f"certbot: {SHOP}"].splitlines()[0] == f"{SHOP}: a placeholder so far"
    assert web.run("stat -c %a:%U /etc/trunkline/placeholders/*/privkey.pem").split() == ["600:root"] * 2


def test_a_name_that_leads_elsewhere_is_told_and_the_authority_is_not_asked(web: WebHost) -> None:
    web.twin.dns(WWW, "203.0.113.66")
    try:
        said = web.fails("first")
    finally:
        web.twin.dns(WWW, None)
    assert f"{WWW} does not lead to this host" in said
    assert "203.0.113.66" in said
    assert "the authority was not asked" in said
    assert web.run("ls /etc/letsencrypt/accounts 2>/dev/null | wc -l").strip() == "0"
    assert "placeholder" in shown(web, SHOP)


def test_a_name_that_only_the_host_finds_is_seen_from_the_controller(web: WebHost) -> None:
    web.run(f"echo '127.0.0.1 {WWW}' >> /etc/hosts")
    web.twin.dns(WWW, "203.0.113.66")
    try:
        said = web.fails("first")
    finally:
        web.twin.dns(WWW, None)
        web.run("sed -i '/www.shop/d' /etc/hosts")
    assert "seen from the controller" in said


def test_certificates_are_issued_once_and_shown_on_the_socket(web: WebHost) -> None:
    changed = web.deploy("first")
    assert changed[-3:] == [f"certbot: {SHOP}", f"certbot: {CRM}", "certbot: timer"]
    for name in (SHOP, WWW, CRM):
        assert web.trusted(name), name
    assert web.deploy("first") == []
    kept = web.run("cat /etc/letsencrypt/renewal/*.conf")
    assert kept.count("authenticator = webroot") == 2
    assert "installer" not in kept
    assert web.run("systemctl is-enabled certbot.timer").strip() == "enabled"
    assert web.run("ls /srv/trunkline/acme/.well-known/acme-challenge").strip() == ""
    path = f"/etc/trunkline/certs/{SHOP}/fullchain.pem"
    assert "prime256v1" in web.run(f"openssl x509 -in {path} -noout -text")


def test_a_renewal_by_the_timers_unit_changes_what_the_socket_serves(web: WebHost) -> None:
    before = shown(web, SHOP)
    kept = f"/etc/letsencrypt/renewal/{SHOP}.conf"
    web.run(f"sed -i 's/^# renew_before_expiry.*/renew_before_expiry = 3000 days/' {kept}")
    web.run("systemctl start certbot.service")
    after = shown(web, SHOP)
    assert after != before
    assert web.trusted(WWW)
    web.run(f"sed -i '/^renew_before_expiry/d' {kept}")
    assert web.deploy("first") == []


def test_a_hook_that_cannot_prove_the_new_certificate_fails(web: WebHost) -> None:
    web.run("echo nonsense > /etc/nginx/sites/crm.lab.example.conf")
    done = web.twin.run(HOST, f"RENEWED_LINEAGE=/etc/letsencrypt/live/{CRM} {HOOK}")
    assert done.returncode == 1
    assert "crm.lab.example: the new certificate is not in force: nginx -t" in done.stderr
    assert web.deploy("first") == ["nginx: files"]


def test_what_was_issued_is_put_into_force_again_without_asking(web: WebHost) -> None:
    web.run("ln -sfn /etc/trunkline/placeholders/crm.lab.example /etc/trunkline/certs/crm.lab.example")
    web.run("systemctl reload nginx")
    orders = web.run("ls /etc/letsencrypt/archive/crm.lab.example")
    assert "put into force" in web.planned("first")[f"certbot: {CRM}"]
    assert web.deploy("first") == [f"certbot: {CRM}"]
    assert web.run("ls /etc/letsencrypt/archive/crm.lab.example") == orders
    assert web.trusted(CRM)


def test_a_refusal_is_remembered_and_the_authority_is_left_alone_for_an_hour(web: WebHost) -> None:
    """The authority is gone for a moment: its name leads nowhere."""
    web.twin.dns("acme-v02.api.letsencrypt.org", "203.0.113.66")
    try:
        assert "issued no certificate" in web.fails("fewer")
    finally:
        web.twin.dns("acme-v02.api.letsencrypt.org", None)
    assert "not before" in web.planned("fewer")[f"certbot: {SHOP}"]
    assert "it is not asked again before" in web.fails("fewer")
    assert web.trusted(SHOP)
    aged = "import json; p = '/var/lib/trunkline/certbot/shop.lab.example.json'; d = json.load(open(p)); "
    aged += "d['failed'] -= 3601; json.dump(d, open(p, 'w'))"
    web.run(f'python3 -c "{aged}"')
    assert f"certbot: {SHOP}" in web.deploy("fewer")


def test_fewer_names_and_another_profile_are_asked_for_at_once(web: WebHost) -> None:
    assert web.names(SHOP) == {SHOP}
    assert web.run("ls /etc/letsencrypt/accounts/*/directory | wc -l").strip() == "1"
    changed = web.deploy("short")
    assert [step for step in changed if step.startswith("certbot: ")][1:] == [
        f"certbot: {SHOP}", f"certbot: {CRM}",
    ]  # fmt: skip
    assert web.names(SHOP) == {SHOP, WWW}
    assert web.days(SHOP) <= 7
    assert web.deploy("short") == []


def test_a_host_without_a_web_server_proves_itself_on_port_80(web: WebHost) -> None:
    web.run("systemctl disable --now nginx")
    changed = web.deploy("alone")
    assert "certbot: web1.lab.example" in changed
    assert "authenticator = standalone" in web.run("cat /etc/letsencrypt/renewal/web1.lab.example.conf")
    assert (
        web.run("readlink /etc/trunkline/certs/web1.lab.example").strip()
        == "/etc/letsencrypt/live/web1.lab.example"
    )
    assert web.run("ss -Hltn sport = :80").strip() == ""
    assert web.deploy("alone") == []
