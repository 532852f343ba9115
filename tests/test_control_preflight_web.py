"""What stands in the way of a web host: room, held ports, and names that lead elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from control.preflight import SURVEY, Survey, judged, proven
from control.target import Target
from inventories.model import Host, Nginx, load

LAB = load("lab")
WEB1 = LAB.host("web1")
NAMES = ("shop.lab.example", "www.shop.lab.example", "crm.lab.example")
ROOM = {"/": 9000, "/var": 9000, "/var/lib/docker": 9000}


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    """What the survey says of this machine, made to look like the laboratory's web server."""
    argv = [sys.executable, "-I", "-", json.dumps(["localhost", "nowhere.invalid"])]
    ran = subprocess.run(argv, input=SURVEY.read_text(), capture_output=True, text=True, check=True)
    seen: dict[str, Any] = json.loads(ran.stdout)
    assert "127.0.0.1" in seen["names"]["localhost"]
    assert seen["names"]["nowhere.invalid"] == []
    return seen | {
        "os": ["debian", "13"], "systemd": True, "manifest": True, "rules": 0, "keys": [], "listeners": [],
        "memory_mb": 4096, "free_mb": ROOM, "free_inodes": 500_000,
        "names": {key: ["198.51.100.21"] for key in NAMES},
    }  # fmt: skip


def obstacles(seen: dict[str, Any], host: Host = WEB1) -> list[str]:
    target = Target(LAB, "lab", (host,))
    return [each.message for each in judged(Survey(seen, 0.0), host, target, adopt=False)]


def listener(port: int, *processes: str) -> dict[str, Any]:
    return {"protocol": "tcp", "address": "127.0.0.1", "port": port, "processes": list(processes)}


def test_a_healthy_web_host_has_nothing_in_the_way(here: dict[str, Any]) -> None:
    own = [listener(80, "nginx"), listener(443, "nginx"), listener(8000, "docker-proxy")]
    assert obstacles(here | {"listeners": own}) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"free_mb": ROOM | {"/var/lib/docker": 700}},
            "web1: /var/lib/docker has 700 MB free, 2000 are needed.",
        ),
        ({"free_mb": {"/": 9000, "/var": 1500}}, "web1: /var has 1500 MB free, 2000 are needed."),
        (
            {"listeners": [listener(443, "apache2")]},
            "web1: tcp port 443, which nginx needs, is held by apache2.",
        ),
        (
            {"listeners": [listener(8001, "python3")]},
            "web1: tcp port 8001, which shop/api needs on loopback, is held by python3.",
        ),
        (
            {"names": {key: ["198.51.100.21"] for key in NAMES[:2]} | {NAMES[2]: ["203.0.113.66"]}},
            "web1: crm.lab.example leads to 203.0.113.66 in DNS, not to 198.51.100.21.",
        ),
        (
            {"names": {key: ["198.51.100.21"] for key in NAMES[:2]}},
            "web1: crm.lab.example leads nowhere in DNS, not to 198.51.100.21.",
        ),
    ],
)
def test_each_obstacle_has_its_sentence(here: dict[str, Any], change: dict[str, Any], sentence: str) -> None:
    assert obstacles(here | change) == [sentence]


def test_what_a_host_is_told_of_its_own_name_by_its_own_file_says_nothing(here: dict[str, Any]) -> None:
    by_file = {"names": here["names"] | {NAMES[0]: ["127.0.1.1"], NAMES[1]: ["127.0.0.1", "::1"]}}
    assert obstacles(here | by_file) == []
    by_both = {"names": here["names"] | {NAMES[0]: ["127.0.1.1", "203.0.113.66"]}}
    assert len(obstacles(here | by_both)) == 1


def test_names_behind_a_load_balancer_lead_to_that() -> None:
    assert WEB1.nginx
    behind = Nginx(sites=WEB1.nginx.sites, load_balancers=("198.51.100.99/32",))
    assert proven(WEB1, LAB) == NAMES
    assert proven(WEB1.model_copy(update={"nginx": behind}), LAB) == ()
    assert proven(LAB.host("edge1"), LAB) == ()
