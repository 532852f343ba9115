"""What a converge of a stack would do is decided from what is declared and seen, also after a crash at any
point."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from agent_host import Host, fresh

from deploys._agent import stack_failure, stack_spec, stack_state, stack_upstream
from deploys._agent.problem import AgentError
from deploys._agent.stack_docker import Container
from deploys._agent.stack_plan import Seen, todo

NEW, OLD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
HOME = "/etc/trunkline/stacks/shop"


def declared(**more: Any) -> dict[str, Any]:
    def service(name: str, role: str, **its: Any) -> dict[str, Any]:
        fixed = {"stop_seconds": 10, "healthy_within": 30, "needs": []}
        return {"name": name, "role": role, "image": NEW, "config": f"{name} new", **fixed, **its}

    upstream = "/etc/nginx/upstreams/shop-api.conf"
    return {
        "format": 1,
        "name": "shop",
        "directory": HOME,
        "services": [
            service("beat", "single", needs=["redis"]),
            service("worker", "worker", needs=["redis"]),
            service("api", "http", loopback=[8000, 8001], upstream=upstream, needs=["redis"]),
            service("redis", "stateful"),
        ],
        "migration": {"service": "api", "command": ["migrate"], "dump": ["dump"]},
        "reload": ["systemctl", "reload", "nginx"],
        "orphans": True,
        **more,
    }


SPEC = stack_spec.parse(declared(), "spec")


def running(service: str, **more: Any) -> Container:
    base = Container(
        id=f"id of {service}",
        name=f"shop-{service}-1",
        service=service,
        ours=True,
        image=NEW,
        reference=NEW,
        config=f"{service.removesuffix('-a').removesuffix('-b')} new",
        state="running",
        health="healthy",
        exit_code=0,
        restarts=0,
        pid=0,
        created="2026-11-20T10:00:00Z",
        started="2026-11-20T10:00:01Z",
    )
    return dataclasses.replace(base, **more)


def old(service: str, **more: Any) -> Container:
    return running(service, id=f"old {service}", config="old", image=OLD, created="2026-11-19", **more)


WHOLE = [running(name) for name in ("redis", "api-a", "worker", "beat")]


def steps(*containers: Container, colour: str | None = "a", **more: Any) -> list[tuple[str, str]]:
    """The steps for what is seen; services that are not named run as declared."""
    named = {one.service.removesuffix("-a").removesuffix("-b") for one in containers}
    rest = [one for one in WHOLE if one.service.removesuffix("-a") not in named]
    found = todo(SPEC, seen([*containers, *rest], colour, **more))
    return [(step.service, step.action) for step in found]


def seen(containers: list[Container], colour: str | None = "a", **more: Any) -> Seen:
    fixed: dict[str, Any] = {"images": {NEW: NEW}, "migrated": frozenset({NEW}), "unread": frozenset()}
    return Seen(containers=containers, colours={"api": colour}, **(fixed | more))


def test_what_runs_as_declared_is_left_alone() -> None:
    assert steps() == []
    starting = running("api-a", health="starting")
    assert steps(starting) == []


def test_from_nothing_data_comes_first_then_the_migration_then_by_role() -> None:
    found = todo(SPEC, seen([], migrated=frozenset()))
    assert [(step.service, step.action) for step in found] == [
        ("redis", "create"),
        ("api", "migrate"),
        ("api", "create-a"),
        ("worker", "create"),
        ("beat", "create"),
    ]


def test_a_new_image_is_migrated_for_before_anything_is_replaced() -> None:
    group = [old("redis"), old("api-a"), old("worker"), old("beat")]
    assert steps(*group, migrated=frozenset({OLD})) == [
        ("api", "migrate"),
        ("redis", "replace"),
        ("api", "switch-b"),
        ("worker", "replace"),
        ("beat", "replace"),
    ]


def test_an_image_that_was_migrated_for_once_is_not_again_when_an_older_one_returns() -> None:
    with fresh() as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENT_ROOT", str(host.root))
        stack_state.migrated("shop", OLD, "1")
        stack_state.migrated("shop", NEW, "2")
        record = stack_state.read("shop")
    images = frozenset(item["image"] for item in record["migrated"])
    assert steps(migrated=images) == []
    assert record["migrated"][-1]["revision"] == "2"


@pytest.mark.parametrize(
    ("containers", "colour", "wanted"),
    [
        ((running("api-a"), running("api-b")), "a", "retire"),
        ((running("api-b"),), "b", None),
        ((running("api-b"),), "a", "switch-b"),
        ((running("api-a", state="exited"),), "a", "start"),
        ((running("api-a", state="paused"),), "a", "start"),
        ((running("api-a", health="unhealthy"),), "a", "switch-b"),
        ((old("api-a", state="exited"),), "a", "switch-b"),
        ((old("api-b"),), "a", "create-a"),
        ((old("api-b"), running("api-a")), "b", "switch-a"),
        ((old("api-b"), running("api-a", health="unhealthy")), "b", "switch-a"),
        ((running("api-b"),), None, "switch-b"),
        ((old("api-a"),), None, "create-b"),
        ((running("api-a", stale=("/run/secrets/key",)),), "a", "switch-b"),
        ((running("api-a", ours=False),), "a", "switch-b"),
    ],
)
def test_of_an_http_service_the_colour_that_the_upstream_names_decides(
    containers: tuple[Container, ...], colour: str | None, wanted: str | None
) -> None:
    assert steps(*containers, colour=colour) == ([("api", wanted)] if wanted else [])


def test_an_upstream_that_nginx_has_not_read_is_read_also_when_nothing_else_differs() -> None:
    assert steps(unread=frozenset({"api"})) == [("api", "reload")]


@pytest.mark.parametrize(
    ("containers", "wanted"),
    [
        ((old("beat", state="exited"), running("beat")), "replace"),
        ((old("beat"), running("beat", state="created")), "replace"),
        ((old("beat", state="exited"), running("beat", state="exited")), "replace"),
        ((running("beat", state="exited"),), "start"),
        ((running("beat", health="unhealthy"),), "renew"),
        ((running("beat", image=OLD),), "replace"),
    ],
)
def test_a_replacement_that_was_cut_short_is_ended_from_where_it_stands(
    containers: tuple[Container, ...], wanted: str
) -> None:
    assert steps(*containers) == [("beat", wanted)]


def test_data_is_replaced_only_when_its_own_declaration_changes() -> None:
    assert steps(running("redis", image=OLD)) == []
    assert steps(running("redis", config="older")) == [("redis", "replace")]
    assert steps(running("redis", health="unhealthy")) == [("redis", "restart")]


def test_what_an_earlier_command_left_is_cleared_first_and_orphans_last() -> None:
    cut = running("api-a", id="x", oneoff=True, purpose="migration")
    found = steps(cut, running("api-a"), running("mailer"), running("stranger", ours=False))
    assert found == [("api-a", "clear"), ("mailer", "orphan")]


def test_an_image_that_is_not_here_is_fetched_before_anything_stops() -> None:
    assert steps(old("worker"), images={}, migrated=frozenset({NEW}))[0] == ("worker", "image")
    assert steps(images={}) == []


def test_services_wait_for_what_they_need_whatever_their_role() -> None:
    spec = declared()
    spec["services"][2]["needs"] = ["worker"]
    ordered = [service.name for service in stack_spec.parse(spec, "spec").ordered()]
    assert ordered.index("worker") < ordered.index("api")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 2}, "spec has format 2, this release reads format 1"),
        ({"services": [{"name": "x"}]}, "spec is no spec of a stack (KeyError: 'role')"),
        ({"migration": {"service": "nobody", "command": ["x"]}}, "nobody, which is no service"),
        ({"name": "../x"}, "'../x' is no name of a stack"),
    ],
)
def test_a_spec_that_cannot_be_read_says_why(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AgentError, match=re.escape(sentence)):
        stack_spec.parse(declared(**change), "spec")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with fresh() as host:
        monkeypatch.setenv("AGENT_ROOT", str(host.root))
        yield host


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("server 127.0.0.1:8000;\n", "a"),
        ("  server 127.0.0.1:8001 ;\n", "b"),
        ("server 127.0.0.1:9999;\n", None),
        ("server 127.0.0.1:8000;\nserver 127.0.0.1:8001;\n", None),
        ("", None),
    ],
)
def test_the_colour_is_read_from_the_upstream_file(host: Host, text: str, colour: str | None) -> None:
    api = SPEC.service("api")
    assert stack_upstream.colour_of(api) is None
    host.write(api.upstream, text)
    assert stack_upstream.colour_of(api) == colour


def test_no_value_of_env_and_secret_files_is_left_in_shown_lines(host: Host) -> None:
    host.write(
        f"{HOME}/api.env", 'URL=redis://:p4ssword@redis/0\nPIN_SECRET=42\nQ="quoted value"\nDEBUG=no\n'
    )
    host.write(f"{HOME}/files/api/0", "-----BEGIN-----\nmaterial of a key\n")
    said = ["no 42", "auth with p4ssword", "for redis://:p4ssword@redis/0", "quoted value"]
    said += ["saw material of a key", "as it is in the container"]
    shown = stack_failure.masked_lines(
        "shop", "\n".join(said), ["DEBUG=as it is in the container", "PATH=/bin"]
    )
    assert shown == [
        "no ********",
        "auth with ********",
        "for ********",
        "********",
        "saw ********",
        "********",
    ]


def test_only_the_last_twenty_lines_are_shown(host: Host) -> None:
    shown = stack_failure.masked_lines("shop", "\n".join(f"line {number}" for number in range(30)))
    assert shown == [f"line {number}" for number in range(10, 30)]


def test_a_host_without_docker_says_so_in_one_sentence(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploys._agent.command.PATH", str(host.root))
    monkeypatch.setenv("PATH", str(host.root))
    answer = host.agent("stack", "look", "shop")
    assert answer.code == 1
    assert answer.sentence.startswith("stack shop: docker does not answer: docker cannot be run")
