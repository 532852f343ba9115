"""Containers: whose packet rules are Docker's own, what may pass, and what a stack must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from inventories.model import Firewall, Host, Opening, load
from verify import test_compose, test_docker, test_firewall
from verify.on_host.compose import differing
from verify.on_host.engine import FRAME, spoken
from verify.snapshot import Snapshot
from verify.stacks import stacks_asked
from verify.verdict import Failed

LAB = load("lab")
WEB = LAB.host("web1")
FILTER = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
{first}{hook}-A FORWARD -o br-1 -j DOCKER
-A DOCKER -d 172.24.0.5/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8000 -j ACCEPT
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DOCKER-USER -i br-+ -j RETURN
{allowed}{user}
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -o br-1 -m addrtype --src-type LOCAL -j MASQUERADE
-A POSTROUTING -s 172.24.0.0/24 ! -o br-1 -j MASQUERADE
-A DOCKER -d 127.0.0.1/32 -p tcp -m tcp --dport 8000 -j DNAT --to-destination 172.24.0.5:8000
{nat}COMMIT
"""
ALLOWED = "".join(
    f"-A DOCKER-USER -p tcp -m conntrack --ctorigdstport {port} --ctdir ORIGINAL -j RETURN\n"
    for port in (22, 80, 443)
)
HOOK = "-A FORWARD -j DOCKER-USER\n"
DROP = "-A DOCKER-USER -j DROP"


def container(service: str, **more: Any) -> dict[str, Any]:
    """Return a healthy container of the lab's stack as the collector tells it."""
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
    return {
        "id": service, "name": f"shop-{service}-1", "image": "sha256:1", "state": "running",
        "labels": {**labels, "trunkline.config": "c"}, "health": "healthy", "tried": [0], "checked": True,
        "restart": "unless-stopped", "log": {"max-size": "10m", "max-file": "3"}, "ports": [],
        "addresses": ["172.24.0.9"], "host_network": False, **more,
    }  # fmt: skip


API = container("api-a", ports=[["127.0.0.1", 8000, "tcp", "8000"]], addresses=["172.24.0.5"])
OTHERS = tuple(container(service) for service in ("redis", "worker", "beat"))


def live(
    *containers: dict[str, Any], first: str = "", hook: str = HOOK, allowed: str = ALLOWED,
    user: str = DROP, nat: str = "", upstream: str = "server 127.0.0.1:8000;\n",
) -> Snapshot:  # fmt: skip
    """Return a host on which these containers exist."""
    rules = FILTER.format(first=first, hook=hook, allowed=allowed, user=user, nat=nat)
    names = ("redis", "api", "worker", "beat")
    image = {"redis": "redis@sha256:d"}
    spec = [{"name": name, "image": image.get(name, "sha256:1"), "config": "c"} for name in names]
    stack = {
        "spec": {"services": spec}, "state": {}, "resolved": {"redis:7-alpine": "sha256:d"},
        "files": [], "upstreams": {"api": upstream}, "answers": {"8000": True, "8001": False},
        "environment": {},
    }  # fmt: skip
    network = {"name": "shop_default", "bridge": "br-1", "driver": "bridge", "subnets": ["172.24.0.0/24"]}
    docker = {
        "live_restore": True, "proxies": [], "containers": list(containers or (API, *OTHERS)),
        "images": {"sha256:1": {"tags": [], "digests": ["redis@sha256:d"]}},
        "networks": [network],
    }  # fmt: skip
    held = {
        "docker": docker, "stacks": {"shop": stack}, "links": ["eth0"], "nft": [], "legacy_tables": {},
        "iptables": {"4": rules, "6": "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"},
    }  # fmt: skip
    return Snapshot(0, 0, {name: {"value": value} for name, value in held.items()})


def passed(seen: Snapshot, host: Host = WEB) -> None:
    """Let the check judge what the kernel passes on to containers."""
    test_docker.test_kernel_passes_on_exactly_what_is_published(host, seen, LAB, {})


def test_dockers_own_translations_are_known() -> None:
    test_firewall.test_no_other_table_decides(WEB, live())


@pytest.mark.parametrize(
    "rule",
    [
        "-A DOCKER -p tcp -m tcp --dport 8001 -j DNAT --to-destination 172.24.0.5:8000",
        "-A DOCKER -p tcp -m tcp --dport 8000 -j DNAT --to-destination 172.24.0.66:8000",
        "-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080",
        "-A POSTROUTING -o eth0 -j MASQUERADE",
    ],
)
def test_a_translation_by_hand_is_not_dockers(rule: str) -> None:
    with pytest.raises(Failed):
        test_firewall.test_no_other_table_decides(WEB, live(nat=f"{rule}\n"))


def test_dockers_translations_are_foreign_where_no_engine_is_declared() -> None:
    with pytest.raises(Failed):
        test_firewall.test_no_other_table_decides(LAB.hosts[0], live())


def test_what_the_openings_allow_and_nothing_else_passes_to_containers() -> None:
    passed(live())


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (live(user=""), "policy of DOCKER-USER"),
        (live(allowed=f"-A DOCKER-USER -p tcp -m tcp --dport 8088 -j ACCEPT\n{ALLOWED}"), "--dport 8088"),
        (live(allowed=f"-A DOCKER-USER -m conntrack --ctorigdstport 8088 -j ACCEPT\n{ALLOWED}"), "8088"),
        (live(allowed=""), "-j DROP"),
    ],
)
def test_a_chain_that_lets_in_too_much_or_too_little_is_found(seen: Snapshot, told: str) -> None:
    with pytest.raises(Failed, match=told):
        passed(seen)


def test_an_opening_that_the_chain_does_not_know_is_found() -> None:
    extra = Firewall(extra=(Opening.port(9000, "tcp", "another"),))
    with pytest.raises(Failed, match="9000"):
        passed(live(), WEB.model_copy(update={"firewall": extra}))


def test_the_firewall_must_be_asked_first() -> None:
    asked = test_docker.test_firewall_is_asked_before_a_packet_reaches_a_container
    asked(live(), LAB)
    asked(live(first="-A FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"), LAB)
    with pytest.raises(Failed, match="br-1 -j ACCEPT"):
        asked(live(first="-A FORWARD -o br-1 -j ACCEPT\n"), LAB)
    with pytest.raises(Failed, match="no rule"):
        asked(live(hook=""), LAB)


runs = test_compose.test_every_service_runs
once = test_compose.test_one_container_runs_each_service
no_other = test_compose.test_a_stack_has_no_other_container
healthy = test_compose.test_every_service_is_healthy
returns = test_compose.test_every_service_returns_after_a_reboot
Claim = Callable[[Host, Snapshot], None]


def colour(host: Host, seen: Snapshot) -> None:
    """Both claims about colours."""
    test_compose.test_one_colour_serves(host, seen)
    test_compose.test_nginx_is_sent_to_the_colour_that_runs(host, seen)


def images(host: Host, seen: Snapshot) -> None:
    """The claim about images."""
    test_compose.test_images_are_the_released_ones(host, seen, {})


def ports(host: Host, seen: Snapshot) -> None:
    """The claim about published ports."""
    test_docker.test_published_ports_are_exactly_the_declared(host, seen, LAB)


SECOND = container("api-b", ports=[["127.0.0.1", 8001, "tcp", "8000"]])


@pytest.mark.parametrize(
    ("claim", "wrong", "told"),
    [
        (runs, live(API, *OTHERS[:2]), "shop/beat no container"),
        (once, live(API, *OTHERS, container("beat")), "shop/beat"),
        (no_other, live(API, *OTHERS, container("old")), "shop-old-1"),
        (colour, live(API, SECOND, *OTHERS), "shop/api"),
        (colour, live(SECOND, *OTHERS), "8001"),
        (colour, live(upstream="server 127.0.0.1:8009;"), "8009"),
        (healthy, live(container("api-a", health="unhealthy"), *OTHERS), "api"),
        (returns, live(container("api-a", restart="no"), *OTHERS), "api"),
        (images, live(container("api-a", image="sha256:2"), *OTHERS), "sha256:2"),
        (images, live(API, container("redis", image="sha256:3"), *OTHERS[1:]), "redis"),
        (ports, live(API, *OTHERS, container("x", ports=[["0.0.0.0", 8088, "tcp", "1"]])), "8088"),
        (test_docker.test_logs_are_limited, live(container("api-a", log={}), *OTHERS), "10m"),
    ],
)  # fmt: skip
def test_a_stack_as_declared_holds_and_a_wrong_one_is_told(claim: Claim, wrong: Snapshot, told: str) -> None:
    claim(WEB, live())
    with pytest.raises(Failed, match=told):
        claim(WEB, wrong)


def test_an_environment_is_compared_by_value_and_told_by_name(tmp_path: Any) -> None:
    file = tmp_path / "api.env"
    file.write_text("A='it\\'s'\nB='two\nlines'\nC='1'\n")
    made = {"Config": {"Env": ["PATH=/bin", "A=it's", "B=two\nlines", "C=2"]}}
    assert differing(made, str(file)) == ["C"]


def test_a_commands_output_is_told_from_its_errors() -> None:
    raw = FRAME.pack(2, 4) + b"INFO" + FRAME.pack(1, 4) + b"0002" + FRAME.pack(1, 7) + b" (head)"
    assert spoken(raw) == {1: "0002 (head)", 2: "INFO"}


def test_what_is_asked_of_a_host_holds_no_secret_but_says_where_one_is() -> None:
    asked = stacks_asked(LAB, WEB)
    database, cache = asked["databases"]
    assert (database["name"], cache["name"]) == ("db", "cache")
    assert ["shop", ["api-a", "api-b"], "DATABASE_PASSWORD"] in database["password"]
    assert ["shop", ["worker"], "/run/secrets/db_ca.pem"] in database["ca"]
    assert [each["name"] for each in asked["stacks"][0]["asked"]] == [
        "redis", "api", "worker", "beat", "migration",
    ]  # fmt: skip
    assert stacks_asked(LAB, LAB.hosts[0]) == {"docker": False, "stacks": [], "databases": []}
