"""The managed databases, asked from where the stacks are, with the secrets that the host has already."""

from __future__ import annotations

from typing import Any

from verify.on_host import engine
from verify.on_host.section import Request, section, text
from verify.probes import postgresql, redis

SESSIONS = (
    "SELECT coalesce(host(a.client_addr), 'local'), coalesce(s.ssl, false), coalesce(s.version, ''), count(*)"
    " FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid)"
    " WHERE a.usename = current_user AND a.backend_type = 'client backend' GROUP BY 1, 2, 3"
)


@section("databases")
def databases(request: Request) -> dict[str, dict[str, Any]]:
    """Return what each managed database answers, by its name: with TLS and the password, and in plain."""
    if not request["databases"]:
        return {}
    live = engine.containers()
    return {each["name"]: _database(each, live) for each in request["databases"]}


def _database(asked: dict[str, Any], live: list[dict[str, Any]]) -> dict[str, Any]:
    password, ca = _password(asked, live), _authority(asked, live)
    if password is None or ca is None:
        return {"error": "no container on this host has its password and its CA certificate"}
    look = _postgresql if asked["kind"] == "postgresql" else _redis
    try:
        return look(asked, password, ca)
    except (OSError, ValueError, postgresql.Refused, redis.Refused) as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _postgresql(asked: dict[str, Any], password: str, ca: str) -> dict[str, Any]:
    account = postgresql.Account(asked["user"], asked["database"], password)
    with postgresql.Session(asked["host"], asked["port"], account, ca=ca) as session:
        own = session.version
        rows = session.query(SESSIONS)
    plain = postgresql.plain(asked["host"], asked["port"], account)
    sessions = [{"from": r[0], "tls": r[1] == "t", "version": r[2], "count": int(r[3] or 0)} for r in rows]
    return {"version": own, "plain": plain, "sessions": sessions}


def _redis(asked: dict[str, Any], password: str, ca: str) -> dict[str, Any]:
    version = redis.answered(asked["host"], asked["port"], password, ca=ca)
    return {"version": version, "plain": redis.plain(asked["host"], asked["port"]), "sessions": []}


def _of(live: list[dict[str, Any]], stack: str, runs_as: list[str]) -> list[dict[str, Any]]:
    def named(each: dict[str, Any]) -> tuple[str, str]:
        labels = each["Config"].get("Labels") or {}
        return labels.get("com.docker.compose.project", ""), labels.get("com.docker.compose.service", "")

    return [each for each in live if named(each) in {(stack, name) for name in runs_as}]


def _password(asked: dict[str, Any], live: list[dict[str, Any]]) -> str | None:
    for stack, runs_as, variable in asked["password"]:
        for each in _of(live, stack, runs_as):
            for entry in each["Config"].get("Env") or ():
                name, _, value = entry.partition("=")
                if name == variable:
                    return str(value)
    return None


def _authority(asked: dict[str, Any], live: list[dict[str, Any]]) -> str | None:
    for stack, runs_as, inside in asked["ca"]:
        for each in _of(live, stack, runs_as):
            for mount in each.get("Mounts") or ():
                if mount.get("Destination") == inside and (pem := text(mount["Source"])):
                    return pem
    return None
