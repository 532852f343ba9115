"""Faults of nginx and its sites: each is found, by its own check, as the root cause."""

from __future__ import annotations

from dataclasses import replace

from prove.fault import Fault

CONFIG = "/etc/nginx/nginx.conf"
SHOP, CRM = (f"/etc/nginx/sites/{name}.lab.example.conf" for name in ("shop", "crm"))
RELOAD = "nginx -t -q && systemctl reload nginx && sleep 1"
CERTS = "/etc/trunkline/certs"


def edited(path: str, *expressions: str) -> str:
    """Edit a file as one does in a hurry, and have nginx take it on; it must change something."""
    words = " ".join(f"-e '{expression}'" for expression in expressions)
    return f"cp {path} /tmp/before; sed -i {words} {path}; ! cmp -s {path} /tmp/before && {RELOAD}"


NGINX = (
    Fault(
        "nginx-config-broken",
        "nginx.configuration_is_valid",
        "a configuration with which nginx would not start again is found while it still runs",
        f"echo 'oops' >> {CONFIG}",
    ),
    Fault(
        "nginx-stopped",
        "nginx.daemon_takes_connections",
        "a stopped nginx is named as such, not as a closed port",
        "systemctl stop nginx",
    ),
    Fault(
        "tls-off",
        "nginx.every_name_answers",
        "a name behind whose port nobody speaks TLS is found",
        edited(SHOP, "s/listen 443 ssl/listen 443/")
        + "; "
        # One port speaks TLS for all servers or for none.
        + edited(CRM, "s/listen 443 ssl/listen 443/")
        + "; "
        + edited(CONFIG, "s/listen 443 ssl/listen 443/", "/ssl_reject_handshake/d"),
    ),
    Fault(
        "nginx-not-reloaded",
        "nginx.workers_run_the_present_configuration",
        "an nginx older than its configuration is found",
        f"sleep 1; touch {CONFIG}",
    ),
    Fault(
        "tls-weak-cipher",
        "nginx.only_modern_versions_and_ciphers_are_taken",
        "a weak cipher on the wire is found",
        edited(CONFIG, "s/ssl_ciphers /ssl_ciphers ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:/"),
    ),
    Fault(
        "tls-group-lost",
        "nginx.key_groups_are_the_modern_ones",
        "a key exchange that a later quantum computer could undo is found",
        edited(CONFIG, "s/X25519MLKEM768://"),
    ),
    Fault(
        "unknown-name-served",
        "nginx.unknown_names_are_refused",
        "a default server that answers to any name is found",
        edited(
            CONFIG,
            f"s#ssl_reject_handshake on;#ssl_certificate {CERTS}/shop.lab.example/fullchain.pem;"
            f" ssl_certificate_key {CERTS}/shop.lab.example/privkey.pem;#",
        ),
    ),
    Fault(
        "http-not-redirected",
        "nginx.plain_http_only_redirects",
        "a page that is served without TLS is found",
        edited(SHOP, 's#return 301 https://.*#return 200 "hello";#'),
    ),
    Fault(
        "version-shown",
        "nginx.version_is_not_told",
        "an nginx that tells everybody its version is found",
        edited(CONFIG, "s/server_tokens off/server_tokens on/"),
    ),
)
SITES = (
    Fault(
        "header-lost-on-assets",
        "sites.security_headers_are_on_every_answer",
        "security headers that one more add_header took from the assets are found",
        edited(SHOP, "s#location /assets/ {#&\\n        add_header X-By-Hand 1;#"),
        also=("sites.assets_are_cached_and_pages_are_not",),
    ),
    Fault(
        "header-lost-on-errors",
        "sites.security_headers_hold_for_errors_of_every_location",
        "security headers that only a page for hard times would lack are found before those",
        edited(
            SHOP, "s#location /assets/ {#location = /away.html { internal; add_header X-By-Hand 1; }\\n&#"
        ),
    ),
    Fault(
        "application-unreachable",
        "sites.every_application_answers",
        "a healthy application that nginx asks in the wrong place is found",
        edited(SHOP, "s#proxy_pass http://shop-api;#proxy_pass http://127.0.0.1:9;#"),
    ),
    Fault(
        "auth-off",
        "sites.password_is_asked_everywhere",
        "a site that no longer asks for its password is found",
        edited(CRM, 's/auth_basic "CRM";/auth_basic off;/'),
    ),
    Fault(
        "password-refused",
        "sites.right_password_opens",
        "a site that refuses the right password is found",
        "printf 'crm:%s\\n' \"$(openssl passwd -6 another)\" > /tmp/passwords;"
        " cat /tmp/passwords > /etc/nginx/passwords/crm.lab.example",
    ),
    Fault(
        "webhook-closed",
        "sites.open_paths_ask_for_no_password",
        "a webhook that suddenly asks for a password is found",
        edited(CRM, "/auth_basic off;/d"),
    ),
    Fault(
        "site-file-by-hand",
        "sites.files_are_the_declared",
        "a page that was changed on the host is found",
        "echo '<!-- by hand -->' >> /srv/trunkline/sites/shop.lab.example/current/index.html",
    ),
    Fault(
        "asset-not-cached",
        "sites.assets_are_cached_and_pages_are_not",
        "assets that every visitor would fetch each time are found",
        edited(SHOP, "s/public, max-age=31536000, immutable/no-cache/"),
    ),
    Fault(
        "gzip-off",
        "sites.large_texts_are_packed",
        "large texts that are sent as they are are found",
        edited(CONFIG, "s/gzip on;/gzip off;/"),
    ),
    Fault(
        "websocket-closed",
        "sites.websockets_open",
        "a websocket that nginx no longer passes on is found",
        edited(SHOP, "/proxy_set_header Upgrade/d"),
    ),
    Fault(
        "body-limit-off",
        "sites.bodies_are_limited_as_declared",
        "a site that takes bodies of any size is found",
        edited(SHOP, "s/client_max_body_size 10m;/client_max_body_size 0;/"),
    ),
    Fault(
        "rate-limit-off",
        "sites.rates_are_limited_as_declared",
        "a webhook that may be asked as often as one likes is found by really asking",
        edited(CRM, "/limit_req zone/d"),
        disruptive=True,
    ),
)
FAULTS = tuple(replace(fault, host="web1") for fault in (*NGINX, *SITES))
