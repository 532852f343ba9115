"""The managed databases, as the host that uses them reaches them: verified, and by TLS alone."""

from __future__ import annotations

from typing import Any

from inventories.model import Environment, Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.stacks import databases_of
from verify.verdict import exactly, fail


def uses_databases(host: Host) -> bool:
    """Say whether a stack uses a managed database."""
    return host.compose is not None and any(stack.databases for stack in host.compose.stacks)


@check(
    fault=("database-elsewhere", "database-authority-other"),
    needs=("docker.engine_answers",),
    remedy="Compare name, CA and password with the provider's page; `invoke secrets.set NAME` what changed.",
    applies=uses_databases,
)
def test_let_us_in_over_verified_tls(
    declared: Host, asked_now: Snapshot, environment: Environment, evidence: dict[str, Any]
) -> None:
    wrong = {}
    for database in databases_of(environment, declared):
        answer = asked_now["databases"][database.name]
        evidence[database.name] = answer.get("version", "")
        if "error" in answer:
            wrong[database.name] = answer["error"]
    if wrong:
        fail(
            wrong,
            "TLS with a certificate of the declared CA for the declared name, and the password accepted",
        )


@check(
    fault=("database-without-tls", "session-in-plain"),
    needs=("databases.let_us_in_over_verified_tls",),
    remedy="Demand TLS at the provider, and look at how the named session connects.",
    applies=uses_databases,
)
def test_are_reached_by_tls_alone(
    declared: Host, asked_now: Snapshot, environment: Environment, evidence: dict[str, Any]
) -> None:
    wrong = []
    for database in databases_of(environment, declared):
        answer = asked_now["databases"][database.name]
        evidence[database.name] = answer["sessions"]
        if answer["plain"] != "refused":
            wrong.append(f"{database.name}: a plain connection {answer['plain']}")
        wrong += [
            f"{database.name}: {s['count']} sessions in plain from {s['from']}"
            for s in answer["sessions"]
            if not s["tls"]
        ]
    exactly(wrong, [], of="plain connection")
