"""Stacks that could not be run or replaced as declared are refused with one exact sentence."""

from __future__ import annotations

import pytest
from declared import Declare, Rows, environment, host, made, refused
from declared_web import api, crm, database, redis, running, serving, shop, site, web

from inventories.model import (
    Build,
    Container,
    Docker,
    Migration,
    Proxy,
    Published,
    Ssh,
    Stack,
    checked,
)

PLACE = "web1 compose.stacks[shop].services[api]"
REDIS = "web1 compose.stacks[shop].services[redis]"
NOT_HTTP = (
    "the role stateful has no colours that take turns, wanted {0} on an http service only; take {0} out, or"
    ' write role="http"'
)
DEBIAN12 = (
    "web1 docker.source: debian12 brings Compose v1 only, wanted Compose v2;"
    ' write source="docker", or move the host to Debian 13'
)


def published(port: int, **more: object) -> Published:
    """Return a published port."""
    return made(Published, port=port, to=80, why="test", **more)


ROLES: Rows = {
    "no port": (
        lambda: serving(port=None),
        f"{PLACE}.port: nothing says where it listens in its container, wanted a port for an http service;"
        " add port=8000, or what its command says",
    ),
    "no loopback ports": (
        lambda: serving(loopback=()),
        f"{PLACE}.loopback: no port for two colours, wanted two different ports of the host's loopback;"
        " write two free ones, such as loopback=(8000, 8001)",
    ),
    "one loopback port": (
        lambda: serving(loopback=(8000, 8000)),
        f"{PLACE}.loopback: 8000, 8000 for two colours, wanted two different ports of the host's loopback;"
        " write two free ones, such as loopback=(8000, 8001)",
    ),
    "three loopback ports": (
        lambda: serving(loopback=(8000, 8001, 8002)),
        f"{PLACE}.loopback: 8000, 8001, 8002 for two colours, wanted two different ports of the host's"
        " loopback; write two free ones, such as loopback=(8000, 8001)",
    ),
    "loopback ports without colours": (
        lambda: running(redis(loopback=(9000, 9001))),
        f"{REDIS}.loopback: {NOT_HTTP.format('loopback')}",
    ),
    "a port without colours": (
        lambda: running(redis(port=6379)),
        f"{REDIS}.port: {NOT_HTTP.format('port')}",
    ),
    "two colours on one published port": (
        lambda: serving(published=(published(8080),)),
        f"{PLACE}.published: two colours cannot hold one port of the host at a time, wanted loopback ports"
        " alone for an http service; take published out: the web server reaches it on loopback",
    ),
    "two colours in the host's network": (
        lambda: serving(host_network=True),
        f"{PLACE}.host_network: two colours cannot hold one port of the host at a time, wanted loopback"
        " ports alone for an http service; take host_network out: the web server reaches it on loopback",
    ),
    "no health check": (
        lambda: running(redis(health=None)),
        f"{REDIS}.health: nothing says whether it works, wanted a health check for every service; add"
        " health=Health(command=(...)), a command that ends with 0 when all is well",
    ),
    "the latest image": (
        lambda: running(redis(image="redis:latest")),
        f"{REDIS}.image: redis:latest is another image tomorrow, wanted a tag that names a version; write"
        " the version that you tested",
    ),
    "an image without a tag": (
        lambda: running(redis(image="redis")),
        f"{REDIS}.image: 'redis' is not an image with a tag or a digest; write it as redis:7-alpine, or as"
        ' Build(context="a directory")',
    ),
    "an image from nowhere": (
        lambda: serving(image=Build(context="twin/images/shoe")),
        f"{PLACE}.image.context: there is no twin/images/shoe/Dockerfile in this repository, wanted a file"
        " that is there; correct the name, or build it and add it first",
    ),
    "an unknown role": (
        lambda: running(redis(role="cron")),
        f"{REDIS}.role: 'cron' is not one of 'http', 'worker', 'single' or 'stateful'; choose one of them",
    ),
    "a scheduler twice": (
        lambda: running(made(Container, name="beat", role="single", image="redis:7", replicas=2)),
        "web1 compose.stacks[shop].services[beat].replicas: 'replicas' is not a field of Container; its"
        " fields are name, role, image, command, environment, files, health, port, loopback, published,"
        " volumes, shared, host_network, stop_seconds, memory_mb, user, needs",
    ),
    "a published port in the host's network": (
        lambda: running(redis(host_network=True, published=(published(7000),))),
        f"{REDIS}.published: a container in the host's own network publishes nothing, wanted either"
        " host_network or published; take published out and declare its ports in firewall.extra, or take"
        " host_network out",
    ),
    "a port published to everyone by name": (
        lambda: running(redis(published=(published(7000, sources=("0.0.0.0/0",)),))),
        f"{REDIS}.published[0].sources: 0.0.0.0/0 is everyone, wanted who may reach it; name their networks,"
        " or leave sources out to admit everyone",
    ),
}
STACKS: Rows = {
    "no engine": (
        lambda: web(docker=None),
        "web1 compose.stacks: no engine runs them, wanted docker on a host with stacks; add docker=Docker()"
        " to this host",
    ),
    "only Compose v1": (lambda: web(os="debian12"), DEBIAN12),
    "two stacks of one name": (
        lambda: web(stacks=(shop(), Stack(name="shop", services=(redis(),)))),
        "web1 compose.stacks[shop]: 2 stacks are named shop, wanted a name of its own; rename the others",
    ),
    "two services of one name": (
        lambda: running(redis(), redis()),
        "web1 compose.stacks[shop].services[redis]: 2 services of shop are named redis, wanted a name of its"
        " own; rename the others",
    ),
    "a service named as a colour": (
        lambda: running(redis("api-b")),
        "web1 compose.stacks[shop].services[api-b].name: api-b is what a colour of api is called, wanted a"
        " name of its own; rename the service",
    ),
    "two upstreams of one name": (
        lambda: web(
            site(proxies=(Proxy(path="/", to="a-b/c"),)),
            stacks=(
                Stack(name="a-b", services=(api("c"),)),
                Stack(name="a", services=(api("b-c", loopback=(8002, 8003)),)),
            ),
        ),
        "web1 compose.stacks[a].services[b-c].name: the web server knows a/b-c as a-b-c, and a-b/c as well,"
        " wanted a name of its own; rename the stack or the service",
    ),
    "a need that nothing answers": (
        lambda: running(redis(needs=("apy",))),
        f"{REDIS}.needs: there is no service apy in shop, wanted services of the same stack; did you mean"
        " api?",
    ),
    "needs in a ring": (
        lambda: running(redis("b", needs=("d",)), redis("c", needs=("b",)), redis("d", needs=("c",))),
        "web1 compose.stacks[shop].services[b].needs: b needs d needs c needs b, wanted a service that can"
        " start first; take one of them out",
    ),
    "a need of oneself": (
        lambda: running(redis(needs=("redis",))),
        f"{REDIS}.needs: redis needs redis, wanted a service that can start first; take one of them out",
    ),
    "a migration of no service": (
        lambda: running(migration=Migration(service="web", command=("migrate",))),
        "web1 compose.stacks[shop].migration.service: there is no service web in shop, wanted the service"
        " whose image migrates; there is api",
    ),
    "a volume for two colours": (
        lambda: serving(volumes={"media": "/media"}),
        f"{PLACE}.volumes[media]: both colours would write it during a switch, wanted one writer at a time;"
        ' add shared=("media",) if they may, as for uploads; never for the files of a database',
    ),
    "a volume of two databases": (
        lambda: running(
            redis(volumes={"data": "/data"}, shared=("data",)), redis("other", volumes={"data": "/data"})
        ),
        "web1 compose.stacks[shop].services[other].volumes[data]: several services write it, wanted one"
        ' writer at a time; add shared=("data",) if they may, as for uploads; never for the files of a'
        " database",
    ),
    "a shared volume that is not there": (
        lambda: running(redis(volumes={"data": "/data"}, shared=("date",))),
        f"{REDIS}.shared: redis has no volume date, wanted volumes of the same service; did you mean data?",
    ),
    "more memory than the host has": (
        lambda: web(stacks=(Stack(name="shop", services=(api(memory_mb=400), redis(memory_mb=300))),)),
        "web1 compose.stacks: 700 MiB for the containers and 400 MiB for a second colour on a host of 1024"
        " MiB, wanted limits that the host can keep; lower memory_mb of the containers, or correct memory_mb"
        " of the host",
    ),
}
PORTS: Rows = {
    "a loopback port of two services": (
        lambda: running(api("admin", loopback=(8001, 8002))),
        "web1 compose.stacks[shop].services[admin].loopback: 8001 is also a port of shop/api, wanted ports of"
        " its own for each service; choose two free ones",
    ),
    "a loopback port of two stacks": (
        lambda: web(stacks=(shop(), crm(api(loopback=(9000, 8000))))),
        "web1 compose.stacks[crm].services[api].loopback: 8000 is also a port of shop/api, wanted ports of"
        " its own for each service; choose two free ones",
    ),
    "a loopback port of sshd": (
        lambda: web(ssh=Ssh(port=8001)),
        f"{PLACE}.loopback: 8001 is taken by tcp 8001 (SSH) of ssh, wanted ports of its own for each service;"
        " choose two free ones",
    ),
    "a loopback port that is published": (
        lambda: running(redis(published=(published(8000),))),
        f"{PLACE}.loopback: 8000 is taken by tcp 8000 (test (shop/redis)) of compose, wanted ports of its own"
        " for each service; choose two free ones",
    ),
    "a published port of the web server": (
        lambda: running(redis(published=(published(443),))),
        "web1 firewall.compose: tcp 443 (test (shop/redis)) overlaps tcp 443 (HTTPS) of nginx, wanted ports"
        " of its own for each service; move compose or nginx to another port",
    ),
    "a published port of sshd": (
        lambda: running(redis(published=(published(22),))),
        "web1 firewall.compose: tcp 22 (test (shop/redis)) overlaps tcp 22 (SSH) of ssh, wanted ports of its"
        " own for each service; move compose or ssh to another port",
    ),
    "a port published twice": (
        lambda: running(redis(published=(published(7000),)), redis("other", published=(published(7000),))),
        "web1 compose.stacks[shop].services[other].published[0].port: tcp 7000 is also published by"
        " shop/redis, wanted ports of its own for each service; choose another port",
    ),
    "Redis published to the world": (
        lambda: running(redis(published=(published(6379),))),
        "web1 firewall.compose: tcp 6379 (test (shop/redis)) opens Redis (tcp 6379) to the world, wanted the"
        " networks that need it; add sources=(...), or take it out",
    ),
}
DATABASES: Rows = {
    "a database that nobody declares": (
        lambda: running(databases=("db",)),
        "web1 compose.stacks[shop].databases: there is no database db in this environment, wanted one of its"
        " managed databases; there is none",
    ),
    "a database that nobody uses": (
        lambda: environment(databases=(database(),)),
        "environment databases[db]: no stack uses it, wanted a database that somebody uses; add"
        ' databases=("db",) to the stack that does, or take it out',
    ),
    "two databases of one name": (
        lambda: environment(*running(databases=("db",)).hosts, databases=(database(), database())),
        "environment databases[db]: 2 databases are named db, wanted a name of its own; rename the others",
    ),
    "a database named as a host": (
        lambda: environment(
            *running(databases=("web1",)).hosts, databases=(database("web1", host="db.lab.example"),)
        ),
        "environment databases[web1]: web1 is the name of a host, wanted a name of its own; rename the"
        " database",
    ),
    "a site named as a database": (
        lambda: environment(
            *web(site("db.lab.example"), stacks=(shop(databases=("db",)),)).hosts, databases=(database(),)
        ),
        "web1 nginx.sites[db.lab.example].names: db.lab.example is the database db in DNS, wanted a name that"
        " leads here; choose another name",
    ),
}
ROWS = ROLES | STACKS | PORTS | DATABASES


@pytest.mark.parametrize(("declare", "sentence"), ROWS.values(), ids=ROWS)
def test_a_stack_that_could_not_be_run_is_refused_with_its_sentence(declare: Declare, sentence: str) -> None:
    assert refused(declare) == [sentence]


RIGHT: dict[str, Declare] = {
    "uploads that both colours write": lambda: serving(volumes={"media": "/media"}, shared=("media",)),
    "Docker's packages where the distribution's would do": lambda: web(docker=Docker(source="docker")),
    "Docker's packages on Debian 12": lambda: web(os="debian12", docker=Docker(source="docker")),
    "an engine alone": lambda: environment(host(docker=Docker())),
    "one port over TCP and UDP": lambda: running(
        redis(published=(published(7000), published(7000, protocol="udp")))
    ),
    "a database for two stacks": lambda: environment(
        *web(stacks=(shop(databases=("db",)), crm(redis(), databases=("db",)))).hosts, databases=(database(),)
    ),
    "a dialer in the host's network": lambda: running(redis("dialer", role="single", host_network=True)),
    "limits that just fit": lambda: running(redis(memory_mb=1024)),
    "an image by its digest": lambda: running(redis(image=f"redis@sha256:{'0' * 64}")),
    "an image of a registry with a port": lambda: running(redis(image="registry.lab.example:5000/redis:7")),
}


@pytest.mark.parametrize("declare", RIGHT.values(), ids=RIGHT)
def test_a_stack_that_can_be_run_is_accepted(declare: Declare) -> None:
    assert checked(declare)
