"""Nginx on a real host, asked from outside: what every answer carries, who is let in, and that nobody is cut
off."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import nginx_site
import pytest
from own_twin import own
from web_on_host import HOST, PASSWORD, WebHost

from deploys.nginx import server_of
from inventories.model import Environment

SHOP, CRM = "https://shop.lab.example", "https://crm.lab.example"
USER = ("--user", f"crm:{PASSWORD}")
BIG = ("--data-binary", "@-", "-H", "Expect:")
EVERYWHERE = {
    "content-security-policy": ["default-src 'self'; base-uri 'self'; form-action 'self'; "
                                "frame-ancestors 'none'; object-src 'none'"],
    "strict-transport-security": ["max-age=63072000"],
    "x-content-type-options": ["nosniff"],
    "x-frame-options": ["DENY"],
    "referrer-policy": ["strict-origin-when-cross-origin"],
}  # fmt: skip
CASES = {
    "page": (f"{SHOP}/", (), 200),
    "route of the page": (f"{SHOP}/orders/7", (), 200),
    "asset": (f"{SHOP}/assets/app-one.js", (), 200),
    "absent asset": (f"{SHOP}/assets/none.js", (), 404),
    "application": (f"{SHOP}/api/orders", (), 200),
    "application's own 404": (f"{SHOP}/api/absent", (), 404),
    "password asked": (f"{CRM}/", (), 401),
    "password wrong": (f"{CRM}/", ("--user", "crm:wrong"), 401),
    "password right": (f"{CRM}/", USER, 200),
    "too large": (f"{SHOP}/", BIG, 413),
    "application down": (f"{SHOP}/down/", (), 502),
    "method refused": (f"{SHOP}/assets/app-one.js", ("-X", "DELETE"), 405),
    "style of an error": (f"{CRM}/.trunkline/error.css", (), 200),
}


@pytest.fixture(scope="module")
def web(lab: Environment) -> Iterator[WebHost]:
    """A host that serves the first release without an authority."""
    web = WebHost(lab)
    with own(web.twin):
        web.application()
        web.deploy("bare")
        yield web


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_every_answer_carries_each_header_once(web: WebHost, case: str, version: str) -> None:
    url, words, status = CASES[case]
    answer = web.ask(url, version, *words, input=b"x" * (1 << 20) * 2 if "--data-binary" in words else None)
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "x-powered-by" not in answer.headers
    assert answer.headers["server"] == ["nginx"]
    assert "nginx/" not in answer.body


def test_who_asks_too_often_is_told_to_wait_with_the_same_headers(web: WebHost) -> None:
    answers = [web.ask(f"{SHOP}/few") for _ in range(8)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert answers[0].status == 200
    assert {name: refused[0].headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "Wait a moment" in refused[0].body


def test_errors_are_pages_of_our_own(web: WebHost) -> None:
    assert "<h1>Not found</h1>" in web.ask(f"{SHOP}/assets/none.js").body
    assert "<h1>Password required</h1>" in web.ask(f"{CRM}/").body
    assert web.ask(f"{CRM}/").headers["www-authenticate"] == ['Basic realm="Restricted"']
    assert "<h1>Not available</h1>" in web.ask(f"{SHOP}/down/").body
    assert web.ask(f"{CRM}/.trunkline/404.html", *USER).status == 404


def test_the_style_of_an_error_is_read_by_who_may_read_nothing_else(web: WebHost) -> None:
    """The page of a 401 links to it, and the policy refuses what stands in the page itself."""
    answer = web.ask(f"{CRM}/.trunkline/error.css")
    assert (answer.status, answer.headers["content-type"]) == (200, ["text/css"])
    assert '<link rel="stylesheet" href="/.trunkline/error.css">' in web.ask(f"{CRM}/").body


def test_assets_are_kept_for_a_year_and_pages_are_asked_for_again(web: WebHost) -> None:
    immutable = ["public, max-age=31536000, immutable"]
    assert web.ask(f"{SHOP}/assets/app-one.js").headers["cache-control"] == immutable
    assert web.ask(f"{SHOP}/").headers["cache-control"] == ["no-cache"]
    assert web.ask(f"{SHOP}/orders/7").headers["cache-control"] == ["no-cache"]
    assert web.ask(f"{SHOP}/assets/none.js").headers["cache-control"] == ["no-cache"]
    assert web.ask(f"{SHOP}/api/").headers["cache-control"] == ["private"]


def test_text_is_compressed_for_who_can_read_it(web: WebHost) -> None:
    asset = f"{SHOP}/assets/app-one.js"
    assert web.ask(asset, "-H", "Accept-Encoding: gzip", "--raw").headers["content-encoding"] == ["gzip"]
    assert "content-encoding" not in web.ask(asset).headers


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("/", (), 401),
        ("/anything", (), 401),
        ("/webhook/phone", (), 200),
        ("/webhook/phone?call=1", (), 200),
        ("/webhook/phone/", (), 401),
        ("/webhook/phonebook", (), 401),
        ("/webhook", (), 401),
        ("/webhook/phone/../../secret", ("--path-as-is",), 401),
        ("/webhook/%70hone", (), 200),
        ("/webhook/phone%2f", ("--path-as-is",), 401),
        ("/anything", USER, 200),
        ("/anything", ("--user", "nobody:x"), 401),
    ],
)
def test_only_the_webhook_is_open_without_a_password(
    web: WebHost, path: str, words: tuple[str, ...], status: int
) -> None:
    assert web.ask(CRM + path, *words).status == status


def test_the_application_never_sees_the_password_and_believes_no_client(web: WebHost) -> None:
    lies = ("-H", "X-Forwarded-For: 10.9.9.9", "-H", "X-Real-IP: 10.9.9.9", "-H", "Forwarded: for=10.9.9.9")
    told = web.ask(f"{CRM}/", *USER, *lies, "-H", "X-Forwarded-Proto: http").json["headers"]
    assert "Authorization" not in told
    assert "10.9.9.9" not in str(told)
    assert (told["X-Forwarded-For"], told["X-Forwarded-Proto"]) == ("192.0.2.10", "https")
    assert told["Host"] == "crm.lab.example"


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("DELETE", 308)]
)
@pytest.mark.parametrize("name", [*nginx_site.SHOP, nginx_site.CRM])
def test_plain_http_leads_to_the_same_place_over_tls(
    web: WebHost, method: str, status: int, name: str
) -> None:
    words = ("--head",) if method == "HEAD" else ("-X", method)
    answer = web.ask(f"http://{name}/a/b%20c?q=1&r=%2F", *words)
    assert answer.status == status
    assert answer.headers["location"] == [f"https://{name}/a/b%20c?q=1&r=%2F"]
    assert "strict-transport-security" not in answer.headers


def test_a_name_that_is_not_ours_gets_nothing(web: WebHost) -> None:
    there = ("--resolve", f"other.example:80:{web.address}", "--resolve", f"other.example:443:{web.address}")
    assert web.ask("http://other.example/", *there).status == 0
    assert web.ask("https://other.example/", *there).status == 0
    assert web.ask(f"https://{web.address}/").status == 0
    assert web.ask(f"{SHOP}/", "-H", "Host: other.example").status == 0
    assert web.ask(f"http://{web.address}:443/").status in (0, 400)


def test_proofs_for_the_authority_are_answered_for_every_name(web: WebHost) -> None:
    web.run("echo -n proof > /srv/trunkline/acme/.well-known/acme-challenge/token")
    there = ("--resolve", f"other.example:80:{web.address}")
    for name in (*nginx_site.SHOP, nginx_site.CRM, "other.example"):
        answer = web.ask(f"http://{name}/.well-known/acme-challenge/token", *there)
        assert (answer.status, answer.body) == (200, "proof")
    assert web.ask("http://shop.lab.example/.well-known/acme-challenge/none").status == 404


def test_a_websocket_is_passed_on_both_ways(web: WebHost) -> None:
    assert web.echoed(b"two words") == b"two words"


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        (("-tls1_3", "-groups", "X25519MLKEM768"), True),
        (("-tls1_3", "-groups", "X25519"), True),
        (("-tls1_3", "-groups", "P-256"), True),
        (("-tls1_3", "-groups", "P-384"), True),
        (("-tls1_3", "-groups", "P-521"), False),
        (("-tls1_3", "-groups", "ffdhe2048"), False),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), True),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"), True),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), False),
        (("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"), False),
        (("-tls1_1", "-cipher", "ALL@SECLEVEL=0"), False),
    ],
)
def test_tls_is_what_the_guideline_says(web: WebHost, offer: tuple[str, ...], taken: bool) -> None:
    words = " ".join(("openssl s_client -connect 127.0.0.1:443 -servername shop.lab.example", *offer))
    said = web.twin.run(HOST, f"{words} </dev/null 2>&1").stdout
    assert ("BEGIN CERTIFICATE" in said) is taken, said


def test_what_others_leave_in_nginxs_directories_has_no_effect(web: WebHost) -> None:
    for place in ("conf.d/x.conf", "sites-enabled/x", "modules-enabled/x.conf"):
        web.twin.write(HOST, f"/etc/nginx/{place}", "server { listen 8099; }\n")
    web.run("nginx -t && systemctl reload nginx && sleep 0.5")
    assert ":8099" not in web.run("ss -Hltn")
    web.run("rm /etc/nginx/conf.d/x.conf /etc/nginx/sites-enabled/x /etc/nginx/modules-enabled/x.conf")


def test_nothing_is_changed_again_and_a_running_configuration_that_is_not_ours_is_seen(web: WebHost) -> None:
    assert web.deploy("bare") == []
    web.run(
        "cd /etc/nginx && cp nginx.conf /root/kept && sed -i 's/return 200 .*/return 200 other;/' nginx.conf"
    )
    web.run("systemctl reload nginx && sleep 0.5 && mv /root/kept /etc/nginx/nginx.conf")
    assert web.deploy("bare") == ["nginx: files"]
    assert web.deploy("bare") == []


def test_a_configuration_that_cannot_be_taken_on_leaves_the_old_one_serving(web: WebHost) -> None:
    """The port is somebody else's: nginx -t is content, the reload fails silently."""
    web.twin.write(HOST, "/etc/systemd/system/holder.service", HOLDER)
    web.run("systemctl stop nginx && systemctl start holder && sleep 0.5")
    problem = web.fails("bare", spoiled="/etc/nginx/snippets/trunkline-proxy.conf")
    assert "nginx" in problem
    web.run("systemctl stop holder && systemctl start nginx")
    web.deploy("bare")
    assert web.ask(f"{SHOP}/").status == 200


HOLDER = """[Service]
ExecStart=python3 -m http.server 443
"""


def test_a_new_release_cuts_nobody_off_and_old_pages_still_find_their_assets(web: WebHost) -> None:
    """Requests of every kind go on during the deploy; one that was begun before ends after."""
    failed: list[str] = []
    done = threading.Event()
    slow = web.start(f"{SHOP}/api/slow")
    load = threading.Thread(target=web.load, args=([f"{SHOP}/", f"{SHOP}/api/x"], failed, done))
    load.start()
    try:
        changed = web.deploy("plain_second")
    finally:
        done.set()
        load.join()
    assert changed == ["nginx: files of shop.lab.example", "nginx: files"]
    assert failed[1:] == []
    assert int(failed[0]) > 20
    assert "200" in slow.communicate(timeout=30)[0]
    assert "two" in web.ask(f"{SHOP}/").body
    assert web.ask(f"{SHOP}/assets/app-two.js").status == 200
    assert web.ask(f"{SHOP}/assets/app-one.js").status == 200
    assert web.ask(f"{SHOP}/assets/none.js").status == 404


def test_pages_that_were_changed_by_hand_are_put_right(web: WebHost) -> None:
    web.deploy("bare")
    web.run("cd /srv/trunkline/sites/shop.lab.example/current && echo x >> index.html && touch stray.html")
    assert web.deploy("bare") == ["nginx: files of shop.lab.example"]
    assert "<title>one</title>" in web.ask(f"{SHOP}/").body
    assert web.run("ls /srv/trunkline/sites/shop.lab.example/current").split() == ["assets", "index.html"]
    assert web.deploy("bare") == []


def test_only_a_load_balancer_says_who_the_client_is(web: WebHost) -> None:
    said = ("-H", "X-Forwarded-For: 10.9.9.9, 203.0.113.5")
    web.deploy("balanced")
    assert web.ask(f"{SHOP}/api/", *said).json["headers"]["X-Forwarded-For"] == "203.0.113.5"
    assert web.run("tail -n 1 /var/log/nginx/access.log").startswith("203.0.113.5 ")
    web.deploy("bare")
    assert web.ask(f"{SHOP}/api/", *said).json["headers"]["X-Forwarded-For"] == "192.0.2.10"


def test_a_site_that_is_no_longer_declared_is_taken_away(web: WebHost) -> None:
    web.deploy("without_shop")
    assert web.run("ls /srv/trunkline/sites /etc/nginx/sites /etc/trunkline/certs").split() == [
        "/etc/nginx/sites:", "crm.lab.example.conf", "/etc/trunkline/certs:", "crm.lab.example",
        "shop.lab.example", "/srv/trunkline/sites:",
    ]  # fmt: skip
    assert web.ask(f"{SHOP}/").status == 0
    assert web.ask(f"{CRM}/", *USER).status == 200
    web.deploy("bare")
    assert web.ask(f"{SHOP}/").status == 200


def test_the_farewell_of_old_workers_is_as_long_as_the_longest_answer(lab: Environment) -> None:
    server = server_of(nginx_site.reduced(lab.host(HOST), timeout=90))
    assert server is not None
    assert server.longest == 90
