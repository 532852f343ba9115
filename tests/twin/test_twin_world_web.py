"""What web hosts ask outside, as they find it in a twin: registry, ACME authority, databases, names."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.buildah import configured
from control.errors import TrunklineError
from inventories.model import Environment, load
from twin.given import given
from twin.twin import Twin

ISSUE = (
    "certbot certonly --non-interactive --agree-tos --email ops@lab.example --standalone "
    "--cert-name shop.lab.example -d shop.lab.example -d www.shop.lab.example"
)
RENEW = "certbot renew --force-renewal --no-random-sleep-on-renew"
LIVE = "/etc/letsencrypt/live/shop.lab.example"
FIRST = "first"


@pytest.fixture(scope="module")
def web() -> Iterator[Twin]:
    """A twin of the lab's web server alone, with the programs of a client; its snapshot is `first`."""
    lab = load("lab")
    web1 = lab.model_copy(update={"hosts": (lab.host("web1"),)})
    twin = Twin(web1, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-web-tests")
    twin.erase()
    try:
        twin.up()
        packages = "certbot postgresql-client redis-tools docker.io docker-cli"
        asked(twin, f"apt-get update -q && apt-get install -qy --no-install-recommends {packages}", 400)
        twin.snapshot(FIRST)
        yield twin
    finally:
        twin.erase()


def asked(twin: Twin, script: str, timeout: float = 120) -> str:
    """Run a script on the web server that must succeed; return what it prints."""
    done = twin.run("web1", script, timeout=timeout)
    assert done.returncode == 0, f"{script}: {done.stderr[-800:]} {done.stdout[-800:]}"
    return done.stdout


def connection(twin: Twin, **more: str) -> str:
    """Return a libpq connection string to the database, verified against the given authority."""
    password = given(twin.environment, twin.name)["db_password"]
    parts = {
        "host": "db.lab.example",
        "port": "25060",
        "user": "shop",
        "dbname": "shop",
        "password": password,
        "sslmode": "verify-full",
        "sslrootcert": "/root/db_ca.pem",
        "connect_timeout": "5",
    }
    return shlex.quote(" ".join(f"{name}={value}" for name, value in (parts | more).items()))


@pytest.fixture
def database(web: Twin) -> Twin:
    """The same twin; the web server holds the authority's certificate that the provider gives."""
    web.write("web1", "/root/db_ca.pem", given(web.environment, web.name)["db_ca"])
    return web


def test_a_certificate_is_issued_under_lets_encrypts_name_and_trusted_by_everyone(web: Twin) -> None:
    asked(web, ISSUE)
    text = asked(web, f"openssl x509 -in {LIVE}/cert.pem -noout -ext subjectAltName")
    assert "DNS:shop.lab.example, DNS:www.shop.lab.example" in text
    asked(web, f"openssl verify -x509_strict -untrusted {LIVE}/chain.pem {LIVE}/cert.pem")
    root = web.acme_root()
    web.write("web1", "/root/root.pem", root.read_text())
    only = "-no-CApath -no-CAstore -CAfile /root/root.pem"
    asked(web, f"openssl verify -x509_strict {only} -untrusted {LIVE}/chain.pem {LIVE}/cert.pem")
    assert "acme-v02.api.letsencrypt.org/directory" in asked(web, "cat /etc/letsencrypt/renewal/*.conf")


@pytest.mark.parametrize(("profile", "days"), [("tlsserver", 45), ("shortlived", 6)])
def test_a_profile_decides_how_long_a_certificate_is_valid(web: Twin, profile: str, days: int) -> None:
    asked(web, f"{ISSUE} --cert-name {profile}.example --required-profile {profile}")
    cert = f"/etc/letsencrypt/live/{profile}.example/cert.pem"
    assert web.run("web1", f"openssl x509 -in {cert} -noout -checkend {(days - 1) * 86400}").returncode == 0
    assert web.run("web1", f"openssl x509 -in {cert} -noout -checkend {(days + 1) * 86400}").returncode == 1


def test_a_rehearsal_of_the_renewal_goes_to_the_staging_name(web: Twin) -> None:
    asked(web, ISSUE)
    assert "Congratulations, all simulated renewals succeeded" in asked(
        web, "certbot renew --dry-run --no-random-sleep-on-renew --cert-name shop.lab.example 2>&1"
    )
    assert "acme-staging-v02.api.letsencrypt.org" in asked(web, "ls /etc/letsencrypt/accounts")


def test_no_certificate_is_issued_for_a_name_that_leads_elsewhere(web: Twin) -> None:
    web.dns("shop.lab.example", "203.0.113.66")
    try:
        assert web.run("web1", f"{ISSUE} --cert-name other --force-renewal", timeout=120).returncode == 1
    finally:
        web.dns("shop.lab.example", None)


def test_hosts_renew_after_the_twin_was_down_and_from_a_disk_of_an_earlier_time(web: Twin) -> None:
    asked(web, ISSUE)
    web.snapshot("issued")
    pebble = web.world.acme.known()
    asked(web, RENEW)
    web.down()
    assert not web.directory.exists()
    web.up()
    assert web.world.acme.known() != pebble
    asked(web, RENEW)
    web.restore("issued")
    asked(web, RENEW)
    web.restore(FIRST)


def test_the_database_takes_the_given_password_over_verified_tls_only(database: Twin) -> None:
    assert "PostgreSQL" in asked(database, f"psql {connection(database)} -tAc 'select version()'")
    seen = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    assert asked(database, f"psql {connection(database)} -tAc '{seen}'") == "t\n"
    for wrong, says in (
        ({"sslmode": "disable"}, "no encryption"),
        ({"password": "guessed"}, "password authentication failed"),
        ({"host": "192.0.2.200"}, "does not match host name"),
        ({"user": "postgres"}, "password authentication failed"),
    ):
        done = database.run("web1", f"psql {connection(database, **wrong)} -c 'select 1'")
        assert done.returncode == 2
        assert says in done.stderr


def test_the_database_can_be_let_take_what_comes_in_clear(database: Twin) -> None:
    clear = f"psql {connection(database, sslmode='disable')} -tAc 'select 1'"
    database.database_tls("db", only=False)
    assert asked(database, f"sleep 0.3; {clear}") == "1\n"
    database.database_tls("db", only=True)
    assert database.run("web1", f"sleep 0.3; {clear}").returncode == 2
    with pytest.raises(TrunklineError, match=r"has no PostgreSQL cache\.\n  It has: db\."):
        database.database_tls("cache", only=False)


def test_the_database_goes_back_with_the_hosts_and_lives_on_through_down(database: Twin) -> None:
    def told(sql: str) -> str:
        return asked(database, f"psql {connection(database)} -qtAc {shlex.quote(sql)}")

    told("drop table if exists kept; create table kept as select generate_series(1, 1000) as number")
    database.snapshot("kept")
    told("drop table kept")
    database.down()
    database.up()
    assert told("select count(*) from pg_tables where tablename = 'kept'") == "0\n"
    database.restore("kept")
    assert told("select count(*) from kept") == "1000\n"


def test_the_cache_answers_over_verified_tls_only(database: Twin) -> None:
    password = given(database.environment, database.name)["cache_password"]
    call = "redis-cli -h cache.lab.example -p 25061 --no-auth-warning"
    tls = "--tls --cacert /root/db_ca.pem --sni cache.lab.example"
    assert asked(database, f"{call} {tls} -a {password} ping") == "PONG\n"
    assert "NOAUTH" in asked(database, f"{call} {tls} ping")
    assert database.run("web1", f"{call} -a {password} ping", timeout=20).stdout != "PONG\n"


def test_a_server_outside_that_was_killed_comes_back_with_up(database: Twin) -> None:
    asked(database, ISSUE)
    records = [*database.directory.glob("*/*.daemon")]
    assert sorted(path.stem for path in records) == ["database-cache", "database-db", "pebble", "registry"]
    for path in records:
        os.kill(json.loads(path.read_text())[0], signal.SIGKILL)
    database.up()
    assert asked(database, f"psql {connection(database)} -tAc 'select 1'") == "1\n"
    assert (
        asked(database, "curl -sS https://registry-1.docker.io/v2/library/redis/tags/list | grep -c 7-alpine")
        == "1\n"
    )
    asked(database, RENEW)


def test_a_host_pulls_what_was_pushed_under_docker_hubs_name(web: Twin, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "hello").write_text("hello\n")
    build = f"c=$(buildah from scratch) && buildah copy -q $c {files} / && buildah commit -q $c hello:1"
    push = f"buildah push -q hello:1 docker://{web.registry.host}/library/hello:1"
    script = f"export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot; {build} && {push}"
    storage = {
        "CONTAINERS_STORAGE_CONF": str(_storage(tmp_path)),
        "CONTAINERS_CONF": str(configured(tmp_path)),
    }
    argv = web.registry.argv("/bin/sh", "-c", script)
    done = subprocess.run(argv, env={**os.environ, **storage}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked(web, "systemctl start docker && docker pull -q hello:1", 60)
    assert json.loads(asked(web, "docker image inspect -f '{{json .RepoDigests}}' hello:1"))[0].startswith(
        "hello@sha256:"
    )
    missing = web.run("web1", "docker pull -q nothing:1")
    assert missing.returncode == 1
    assert "manifest unknown" in missing.stderr
    web.restore(FIRST)


def _storage(directory: Path) -> Path:
    path = directory / "storage.conf"
    path.write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{directory}/run"\ngraphroot = "{directory}/graph"\n'
    )
    return path


def test_only_what_the_environment_needs_is_there(lab: Environment) -> None:
    plain = Twin(lab.model_copy(update={"hosts": lab.hosts[:1], "databases": ()}), "plain-tests")
    try:
        plain.up()
        assert not [*plain.directory.glob("*/*.daemon")]
        assert sorted(path.stem for path in plain.directory.glob("*.daemon")) == [
            "dns",
            "forwards",
            "ntp",
            "packages",
        ]
        assert "ACME" not in " ".join(map(str, plain.substitutions()))
    finally:
        plain.erase()


def test_everything_that_is_not_as_outside_is_told(web: Twin) -> None:
    told = " ".join(map(str, web.substitutions()))
    for each in (
        "trusted authorities",
        "registry-1.docker.io",
        "pebble",
        "db.lab.example",
        "cache.lab.example",
    ):
        assert each in told
