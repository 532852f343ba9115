"""The web as a whole: what it contributes, what it finds, and what one fault does not hide or invent."""

from __future__ import annotations

import json
from datetime import date

import pytest
from declared import environment, host, real, refused, second
from declared_web import HEALTH, api, crm, database, redis, shop, site, web

from inventories.model import (
    RELEASES,
    Certbot,
    Certificate,
    Container,
    Database,
    Docker,
    Environment,
    Published,
    Secret,
    Stack,
    checked,
)
from inventories.model.rehearsal import booted_as, rehearsed


def shown(environment: Environment, name: str) -> list[str]:
    """Return the openings of a host in words."""
    return [str(opening) for opening in environment.host(name).openings(environment)]


def test_a_web_host_opens_its_ports_and_those_its_stacks_publish() -> None:
    its = Published(port=5000, to=5000, protocol="udp", why="calls")
    one = checked(lambda: web(stacks=(shop(redis(published=(its,))),)))
    assert shown(one, "web1")[1:] == [
        "tcp 443 (HTTPS)",
        "tcp 80 (HTTP: redirects, ACME challenges)",
        "udp 5000 (calls (shop/redis))",
    ]


def test_a_host_without_a_site_opens_port_80_to_the_authority() -> None:
    alone = Certbot(email="ops@lab.example", extra=(Certificate(names=("edge1.lab.example",), why="SIP"),))
    one = checked(lambda: environment(host(certbot=alone)))
    assert shown(one, "edge1")[1:] == ["tcp 80 (ACME challenges)"]


def test_every_name_leads_to_the_host_that_needs_its_certificate() -> None:
    alone = Certbot(email="ops@lab.example", extra=(Certificate(names=("edge2.lab.example",), why="SIP"),))
    web1 = web(site(), site("crm.lab.example", "www.crm.lab.example")).hosts
    one = checked(lambda: environment(*web1, second(certbot=alone)))
    assert {name: its.name for name, its in one.served().items()} == {
        "shop.lab.example": "web1",
        "crm.lab.example": "web1",
        "www.crm.lab.example": "web1",
        "edge2.lab.example": "edge2",
    }
    resolved = json.loads(json.dumps(one.resolved()))
    assert [each["names"][0] for each in resolved["hosts"][0]["certificates"]] == [
        "shop.lab.example",
        "crm.lab.example",
    ]


def test_stacks_services_and_databases_are_found_by_their_names() -> None:
    one = checked(
        lambda: environment(
            *web(stacks=(shop(databases=("db",)), crm(redis()))).hosts, databases=(database(),)
        )
    )
    compose = one.hosts[0].compose
    assert compose is not None
    assert compose.target("crm/redis") == compose.stack("crm").service("redis")
    assert one.database("db").host == "db.lab.example"
    for look in (lambda: compose.stack("x"), lambda: compose.target("crm/x"), lambda: one.database("x")):
        with pytest.raises(KeyError):
            look()


def test_what_only_exists_in_examples_is_named_in_an_environment_of_real_servers() -> None:
    given = api(environment={"DATABASE_HOST": "db.example.com", "MODE": "live"})

    def declare() -> Environment:
        its = web(site("www.example.com"), stacks=(Stack(name="shop", services=(given,), databases=("db",)),))
        (web1,) = its.hosts
        one = web1.model_copy(
            update={"certbot": Certbot(email="ops@example.com"), "address": real().hosts[0].address}
        )
        return real().model_copy(update={"hosts": (one,), "databases": (database(host="db.example.net"),)})

    assert refused(declare) == [
        "environment databases[db].host: db.example.net is an example name, wanted the name of your database;"
        " write the host that your provider names",
        "web1 certbot.email: example.com is an example name, wanted an address of yours; write where somebody"
        " reads that a certificate ends",
        "web1 compose.stacks[shop].services[api].environment[DATABASE_HOST]: db.example.com is an example"
        " name, wanted a name that exists; write the name of your own server",
        "web1 nginx.sites[www.example.com].names[0]: www.example.com is an example name, wanted a name of"
        " yours; write the name your visitors use",
    ]


def test_a_broken_stack_does_not_make_its_proxies_wrong() -> None:
    broken = refused(lambda: web(stacks=(Stack(name="shop", services=(api(port=0),)),)))
    assert broken == [
        "web1 compose.stacks[shop].services[api].port: 0 is not a port (1-65535); write a number from 1 to"
        " 65535"
    ]


def test_a_broken_database_does_not_make_its_stacks_wrong() -> None:
    def declare() -> Environment:
        wrong = Database(
            name="db",
            kind="postgresql",
            host="db.lab.example",
            password="hunter2",  # type: ignore[arg-type]
            ca=Secret(name="db_ca"),
        )
        return environment(*web(stacks=(shop(databases=("db",)),)).hosts, databases=(wrong,))

    (sentence,) = refused(declare)
    assert sentence.startswith(
        "environment databases[db].password: a value in plain text, wanted a reference"
    )
    assert "hunter2" not in sentence


def test_a_site_s_own_faults_are_told_beside_a_broken_stack() -> None:
    broken = refused(lambda: web(site(proxies=()), stacks=(Stack(name="Shop", services=(redis(),)),)))
    assert [sentence.split(":")[0] for sentence in broken] == [
        "web1 compose.stacks[Shop].name",
        "web1 nginx.sites[shop.lab.example]",
    ]


def test_the_least_a_service_says_is_no_health_check() -> None:
    bare = Container(name="redis", role="stateful", image="redis:7-alpine")
    assert (bare.health, bare.shared, bare.loopback) == (None, (), ())
    assert refused(lambda: web(stacks=(shop(bare),))) != []
    assert checked(lambda: web(stacks=(shop(bare.model_copy(update={"health": HEALTH})),)))


@pytest.mark.parametrize(
    ("given", "boots"),
    [
        ({"os": "ubuntu22.04"}, "debian12"),
        ({"os": "ubuntu22.04", "docker": Docker()}, "debian13"),
        ({"os": "ubuntu24.04", "docker": Docker()}, "debian13"),
        ({"os": "debian12", "docker": Docker(source="docker")}, "debian12"),
    ],
)
def test_a_rehearsal_boots_a_release_that_has_what_the_host_declares(
    given: dict[str, object], boots: str
) -> None:
    one = rehearsed(environment(host(**given)))
    assert (booted_as(host(**given)), one.hosts[0].os) == (boots, boots)
    assert list(one.lint()) == []


def test_each_release_says_whether_it_has_compose_v2_and_profiles() -> None:
    assert {name for name, release in RELEASES.items() if not release.engine} == {"debian12"}
    assert {name for name, release in RELEASES.items() if release.certbot >= (4, 0)} == {
        "debian13",
        "debian-testing",
    }
    ends = [release.end_of_support for release in RELEASES.values() if release.end_of_support]
    assert all(end > date(2026, 1, 1) for end in ends)
