"""What nginx's files say, table by table, and what a deploy does to a host that serves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from deploys_on_fake import PASSWORD, bare, converged, serve

from control.errors import TrunklineError
from deploys import nginx
from deploys._engine import secrets
from deploys._ops import site_files
from inventories.model import Files, Host, Nginx, Proxy, Rate, Site, load

LAB = load("lab")
WEB = LAB.host("web1")
SHOP, CRM = "shop.lab.example", "crm.lab.example"
REFUSES = "ssl_reject_handshake on;"


def host(os: str = "debian13", sites: tuple[Site, ...] | None = None, **more: Any) -> Host:
    known = {"sites": sites or WEB.nginx.sites, **more}  # type: ignore[union-attr]
    return WEB.model_copy(update={"os": os, "nginx": Nginx(**known)})


def content(ending: str, of: Host = WEB) -> str:
    secrets.load({secret.name: PASSWORD for secret in LAB.secrets()})
    return next(file.content for file in nginx.files(of, LAB) if file.path.endswith(ending))


def location(text: str, path: str) -> str:
    secure = text.partition("listen 443")[2]
    found = re.search(rf"^    location {re.escape(path)} {{\n(.*?)^    }}", secure, re.MULTILINE | re.DOTALL)
    assert found, path
    return found[1]


@pytest.mark.parametrize(
    ("os", "http2", "refusal", "groups"),
    [
        ("debian13", "    http2 on;", REFUSES, "X25519MLKEM768:X25519:prime256v1:secp384r1;"),
        ("debian12", "listen 443 ssl http2;", REFUSES, "X25519:prime256v1:secp384r1;"),
        ("ubuntu24.04", "listen 443 ssl http2;", REFUSES, "X25519:prime256v1:secp384r1;"),
        ("ubuntu22.04", "listen 443 ssl http2;", f"certs/{nginx.UNKNOWN}/", "X25519:prime256v1:secp384r1;"),
    ],
)  # fmt: skip
def test_each_release_gets_the_words_that_its_nginx_knows(
    os: str, http2: str, refusal: str, groups: str
) -> None:
    assert http2 in content(f"{SHOP}.conf", host(os))
    assert refusal in content("nginx.conf", host(os))
    assert f"ssl_ecdh_curve {groups}" in content("nginx.conf", host(os))


def test_no_location_has_a_header_of_its_own() -> None:
    """One add_header in a location drops all of the server's there."""
    for name in (SHOP, CRM):
        inside = re.findall(r"^        add_header.*", content(f"{name}.conf"), re.MULTILINE)
        assert inside == []


def test_nothing_is_included_by_a_pattern() -> None:
    included = re.findall(r"include (\S+);", content("/nginx.conf"))
    assert included
    assert not [path for path in included if "*" in path]


def test_the_distributions_own_site_is_taken_away() -> None:
    gone = [file.path for file in nginx.files(WEB, LAB) if file.kind == "absent"]
    assert gone == ["/etc/nginx/sites-enabled/default"]


def test_every_application_is_asked_by_the_agents_own_file() -> None:
    text = content("/nginx.conf")
    assert text.count("upstream shop-api {") == 1
    assert "include /etc/nginx/upstreams/shop-api.conf;" in text
    other = host(sites=(Site(names=(SHOP,), proxies=(Proxy(path="/", to=9000),)),))
    assert "server 127.0.0.1:9000;" in content("/nginx.conf", other)


def test_only_an_unprotected_path_is_open_and_keeps_its_authorization() -> None:
    text = content(f"{CRM}.conf")
    assert "auth_basic off;" in location(text, "= /webhook/phone")
    assert "auth_basic off;" not in location(text, "/")
    assert 'Authorization "";' in location(text, "/")
    assert "Authorization" not in location(text, "= /webhook/phone")
    assert "auth_basic" not in content(f"{SHOP}.conf")


def test_only_a_websocket_is_upgraded() -> None:
    text = content(f"{SHOP}.conf")
    assert "Upgrade $http_upgrade;" in location(text, "= /ws")
    assert "Upgrade" not in location(text, "/api/")


def test_a_clients_address_is_believed_from_declared_load_balancers_alone() -> None:
    assert "real_ip" not in content("/nginx.conf")
    text = content("/nginx.conf", host(load_balancers=("10.1.0.0/24",)))
    assert "set_real_ip_from 10.1.0.0/24;" in text
    assert "real_ip_recursive on;" in text


def test_rates_and_sizes_are_where_they_are_declared() -> None:
    way = Proxy(path="/few/", to=9000, rate=Rate(per_second=2, burst=4), max_body_mb=7)
    site = Site(names=(SHOP,), proxies=(way,), rate=Rate(per_second=50, burst=90), max_body_mb=3)
    text = content(f"{SHOP}.conf", host(sites=(site,)))
    assert "zone=shop_lab_example:4m rate=50r/s;" in text
    assert "    limit_req zone=shop_lab_example burst=90 nodelay;" in text
    assert "zone=shop_lab_example_0 burst=4 nodelay;" in location(text, "/few/")
    assert "client_max_body_size 7m;" in location(text, "/few/")
    assert "    client_max_body_size 3m;" in text


def test_a_site_with_no_pages_answers_nothing_but_its_applications() -> None:
    site = Site(names=(SHOP,), proxies=(Proxy(path="/api/", to=9000),))
    assert "=404" in location(content(f"{SHOP}.conf", host(sites=(site,))), "/")


def test_six_addresses_are_served_where_the_host_has_one() -> None:
    assert "[::]" not in content(f"{SHOP}.conf")
    six = WEB.model_copy(update={"address6": LAB.host("edge2").address6})
    assert "listen [::]:443 ssl;" in content(f"{SHOP}.conf", six)
    assert content("/nginx.conf", six).count("[::]:") == 2


def test_passwords_are_hashes_that_stay_and_that_only_nginx_reads() -> None:
    secrets.load({secret.name: PASSWORD for secret in LAB.secrets()})
    found = next(file for file in nginx.files(WEB, LAB) if "/passwords/" in file.path)
    assert re.fullmatch(r"crm:\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}\n", found.content)
    assert (found.owner, found.group, found.mode, found.secret) == ("root", "www-data", "0640", True)
    assert found == next(file for file in nginx.files(WEB, LAB) if "/passwords/" in file.path)
    assert secrets.mask(found.content) == "crm:***\n"


def test_a_password_of_two_lines_is_refused_in_words() -> None:
    secrets.load({secret.name: "two\nlines" for secret in LAB.secrets()})
    with pytest.raises(TrunklineError, match="crm_password is no password for a web site"):
        nginx.files(WEB, LAB)


def test_a_reload_counts_only_when_nginx_says_that_it_runs_with_this_configuration() -> None:
    server, other = nginx.server_of(WEB), nginx.server_of(host(load_balancers=("10.0.0.1/32",)))
    assert server is not None
    assert other is not None
    assert nginx.checks(server).loaded[-1] in content("/nginx.conf")  # type: ignore[index]
    assert nginx.runs_with(server) != nginx.runs_with(other)


def test_a_host_that_serves_nothing_gets_nothing() -> None:
    assert nginx.files(LAB.hosts[0], LAB) == []
    assert nginx.resources(LAB.hosts[0]) == []


def test_a_bare_host_gets_files_before_the_configuration_that_serves_them() -> None:
    steps = list(serve(WEB, LAB, bare(WEB, LAB)).commands)
    ours = [step for step in steps if step.startswith(("nginx:", "certbot:"))]
    assert ours[:4] == [
        "certbot: placeholders", f"nginx: files of {SHOP}", "nginx: unit", "nginx: files",
    ]  # fmt: skip


def test_an_nginx_that_was_masked_is_unmasked_before_it_is_started() -> None:
    seen = converged(WEB, LAB)
    masked = {"LoadState": "masked", "UnitFileState": "masked", "ActiveState": "inactive"}
    seen.system["units"]["nginx.service"] |= masked
    seen.served = {**seen.served, "config": None}
    commands = serve(WEB, LAB, seen).commands
    assert list(commands) == ["nginx: unit", "nginx: files"]
    assert "unmask" in commands["nginx: unit"][0]
    assert "start" not in " ".join(commands["nginx: unit"])


def test_a_running_configuration_that_is_not_on_the_disk_is_replaced() -> None:
    seen = converged(WEB, LAB)
    seen.served = {**seen.served, "config": "somebody else's"}
    served = serve(WEB, LAB, seen)
    assert served.changes() == ["nginx: files"]
    assert served.commands["nginx: files"] == ["systemctl reload-or-restart nginx.service"]


def test_a_site_that_is_no_longer_declared_loses_its_files() -> None:
    seen = converged(WEB, LAB)
    seen.served = {**seen.served, "sites": {**seen.served["sites"], "old.example": {"current": "1"}}}
    seen.system["manifest"]["resources"].append({"kind": "site", "name": "old.example", "service": "nginx"})
    served = serve(WEB, LAB, seen)
    assert served.commands["orphans: sites"] == ["rm -rf /srv/trunkline/sites/old.example"]


def test_a_release_is_named_by_what_is_in_it() -> None:
    files = {"index.html": b"a", "assets/x.js": b"b"}
    assert site_files.digest(files) == site_files.digest(dict(reversed(files.items())))
    assert site_files.digest(files) != site_files.digest({"index.html": b"ab", "assets/x.js": b""})
    assert site_files.packed(files) == site_files.packed(dict(reversed(files.items())))


def test_a_release_that_was_changed_by_hand_is_shipped_again() -> None:
    seen = converged(WEB, LAB)
    seen.served["sites"][SHOP]["releases"] = []
    served = serve(WEB, LAB, seen)
    step = f"nginx: files of {SHOP}"
    assert served.changes() == [step]
    assert "changed by hand" in served.plan[step].diff
    assert served.commands[step][0].startswith("upload /var/lib/trunkline/incoming/site-")


def test_what_is_no_site_is_told_before_anything_is_shipped() -> None:
    with pytest.raises(TrunklineError, match=r"deploys has no index\.html: it is no site"):
        site_files.collected("deploys")
    page = Site(names=(SHOP,), files=Files(directory="deploys"))
    with pytest.raises(TrunklineError, match="no site"):
        serve(host(sites=(page,)), LAB, converged(WEB, LAB))
