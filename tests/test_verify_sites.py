"""What is asked of sites follows from their records; nginx's own words are read as nginx means them."""

from __future__ import annotations

import json

import pytest

from inventories.model import Proxy, Site, load
from verify import nginx_config
from verify.guideline import groups
from verify.headers import differences, every_location, servers
from verify.probes.exchange import Reply
from verify.questions import assets, protected, questions, unprotected, with_password

LAB = load("lab")
WEB = LAB.host("web1")
SITE = Site(names=("shop.test", "www.shop.test"))
PRINTED = """# configuration file /etc/nginx/nginx.conf:
user www-data; # a comment; with { braces }
http {
    log_format long '$remote_addr "$request"' ' {more}';
    map $http_upgrade $connection { default upgrade; "" ''; }
    include /etc/nginx/sites/*.conf;
}

# configuration file /etc/nginx/sites/a.conf:
server {
    listen 443 ssl;
    server_name shop.test www.shop.test;
    client_max_body_size 10m;
    include snippets/headers.conf;
    location /assets/ { ADDED expires max; }
    location ~ "^/x{2}/" { client_max_body_size 20m; return 200 "a \\"quoted\\" word; {1}"; }
    location / { if ($request_method = POST) { return 405; } }
}
server { listen 80; server_name shop.test; return 301 https://$host$request_uri; }
# configuration file /etc/nginx/snippets/headers.conf:
add_header Strict-Transport-Security "max-age=63072000" always;
add_header Content-Security-Policy "POLICY" always;
add_header X-Content-Type-Options nosniff always;
add_header X-Frame-Options DENY always;
add_header Referrer-Policy strict-origin-when-cross-origin always;
add_header Cross-Origin-Opener-Policy same-origin always;
add_header Permissions-Policy "camera=(self), microphone=()" always;
"""


def printed(added: str = "", always: str = "always") -> nginx_config.Block:
    """Return the configuration above with something more in one location."""
    text = PRINTED.replace("ADDED", added).replace("POLICY", SITE.content_security_policy)
    return nginx_config.read(text.replace("nosniff always", f"nosniff {always}"))


def test_quotes_comments_braces_and_includes_are_read_as_nginx_reads_them() -> None:
    tree = printed()
    (http,) = tree.own("http")
    assert http.own("log_format")[0].words == ("long", '$remote_addr "$request"', " {more}")
    assert [each.title for each in http.own("map")[0].inside] == ["default upgrade", " "]
    (server,) = servers(tree, SITE)
    assert [each.title for each in server.every("location")] == [
        "location /assets/",
        "location ~ ^/x{2}/",
        "location /",
    ]
    assert server.own("location")[1].own("return")[0].words == ("200", 'a "quoted" word; {1}')
    assert [each.words for each in server.own("location")[1].effective("client_max_body_size")] == [("20m",)]
    assert [each.words for each in server.own("location")[0].effective("client_max_body_size")] == [("10m",)]


def test_the_servers_of_both_ports_are_told_apart() -> None:
    assert len(list(servers(printed(), SITE))) == len(list(servers(printed(), SITE, tls=False))) == 1
    assert not list(servers(printed(), Site(names=("other.test",))))


def test_headers_that_hold_everywhere_are_no_finding() -> None:
    assert list(every_location(printed(), SITE)) == []


def test_one_add_header_in_a_location_loses_all_of_the_servers() -> None:
    (found,) = every_location(printed("add_header X-Other 1;"), SITE)
    assert found[0] == "shop.test: location /assets/"
    assert found[1].count(",") == 6


def test_a_header_without_always_is_lost_on_errors() -> None:
    lost = dict(every_location(printed(always=""), SITE))
    assert set(lost.values()) == {"x-content-type-options"}
    assert len(lost) == 5  # the server, its three locations and the condition within one


@pytest.mark.parametrize(
    "broken", ["", "no configuration", "# configuration file /a:\nhttp {", "# configuration file /a:\n}"]
)
def test_what_is_no_configuration_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        nginx_config.read(broken)


def test_files_that_include_each_other_are_refused() -> None:
    text = "# configuration file /a:\ninclude /b;\n# configuration file /b:\ninclude /a;\n"
    with pytest.raises(ValueError, match="too deep"):
        nginx_config.read(text)


def test_a_missing_a_doubled_and_another_value_are_named() -> None:
    good = {
        "strict-transport-security": "max-age=63072000; includeSubDomains",
        "content-security-policy": SITE.content_security_policy,
        "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        "x-frame-options": "DENY", "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "midi=()",
    }  # fmt: skip
    assert differences(Reply("", "", 200, tuple(good.items())), SITE) == ""
    weaker = (
        *(good | {"strict-transport-security": "max-age=60"}).items(),
        ("x-content-type-options", "nosniff"),
    )
    told = differences(Reply("", "", 200, weaker[1:]), SITE)
    assert told == "strict-transport-security is missing; x-content-type-options stands 2 times"
    assert differences(Reply("", "", 200, weaker[:-1]), SITE) == "strict-transport-security: max-age=60"
    framed = tuple((good | {"x-frame-options": "ALLOWALL", "permissions-policy": ""}).items())
    assert differences(Reply("", "", 200, framed), SITE) == "x-frame-options: ALLOWALL; permissions-policy: "


def test_every_question_has_a_label_of_its_own_and_holds_no_secret() -> None:
    asked = list(questions(WEB))
    assert len({request.label for request in asked}) == len(asked) > 30
    assert {(request.user, request.password) for request in asked} == {("", "")}
    assert [request.label for request in asked if "Authorization" in request.headers] == [
        "crm.lab.example wrong"
    ]
    json.dumps([request.__dict__ for request in asked])


def test_each_name_each_path_and_each_kind_of_error_is_asked_for() -> None:
    labels = {request.label for request in questions(WEB)}
    assert {
        f"{name} plain" for name in ("shop.lab.example", "www.shop.lab.example", "crm.lab.example")
    } <= labels
    assert {"stray", "stray plain", "shop.lab.example 501", "shop.lab.example 413 /api/"} <= labels
    assert {
        "shop.lab.example upgrades /ws",
        "crm.lab.example asks /webhook/phone",
        "crm.lab.example wrong",
    } <= labels


def test_what_stands_just_beside_an_open_path_is_protected() -> None:
    shop, crm = WEB.nginx.sites if WEB.nginx else ()
    assert [proxy.path for proxy in unprotected(crm)] == ["/webhook/phone"]
    assert "/webhook/phone" not in protected(crm)
    assert [path for path in protected(crm) if path.startswith("/webhook/phone")]
    assert (protected(shop), unprotected(shop)) == ([], ())


def test_with_the_password_every_protected_path_is_asked() -> None:
    _, crm = WEB.nginx.sites if WEB.nginx else ()
    assert crm.auth
    asked = list(with_password(crm, crm.auth.users[0], "x"))
    assert [request.url for request in asked] == [f"https://crm.lab.example{path}" for path in protected(crm)]
    assert {(request.user, request.password) for request in asked} == {("crm", "x")}


def test_a_websocket_behind_a_password_is_opened_with_it() -> None:
    _, crm = WEB.nginx.sites if WEB.nginx else ()
    site = crm.model_copy(update={"proxies": (Proxy(path="/ws", to=9000, websocket=True),)})
    assert site.auth
    assert [r.websocket for r in with_password(site, site.auth.users[0], "x")][-1]


def test_the_declared_assets_are_those_in_the_repository() -> None:
    shop, crm = WEB.nginx.sites if WEB.nginx else ()
    found = assets(shop)
    assert found
    assert all(path.startswith("/assets/") and file.is_file() for path, file in found.items())
    assert assets(crm) == {}


def test_the_hybrid_group_is_wanted_where_openssl_has_it() -> None:
    assert groups(WEB.release)[0] == "X25519MLKEM768"
    assert groups(LAB.host("edge1").release)[0] == "x25519"
