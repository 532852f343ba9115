"""The manifest: what a deploy answers for is written down before it is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from agent_host import Answer, Host, fresh


@pytest.fixture
def host() -> Iterator[Host]:
    with fresh() as host:
        yield host


def resource(name: str, kind: str = "file", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "service": "ssh", "remove": {}, **more}


def intend(host: Host, *names: str) -> Answer:
    wanted = {"format": 1, "resources": [resource(name) for name in names]}
    return host.agent("manifest", "intend", stdin=wanted)


def names(resources: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in resources]


def test_without_a_manifest_nothing_is_an_orphan(host: Host) -> None:
    assert host.agent("manifest", "orphans").report == {"orphans": []}
    assert host.agent("manifest", "show").report["resources"] is None
    intend(host, "/etc/a")
    assert host.agent("manifest", "orphans").report == {"orphans": []}


def test_an_intent_is_the_union_of_old_and_new_until_it_is_narrowed(host: Host) -> None:
    intend(host, "/etc/a", "/etc/b")
    host.agent("manifest", "narrow")
    told = intend(host, "/etc/b", "/etc/c").report
    assert told == {"resources": 3, "added": 1, "orphans": 1, "changed": True}
    assert names(host.agent("manifest", "show").report["resources"]) == ["/etc/a", "/etc/b", "/etc/c"]
    assert names(host.agent("manifest", "orphans").report["orphans"]) == ["/etc/a"]
    assert host.agent("manifest", "narrow").report == {"resources": 2, "dropped": 1}
    assert names(host.agent("manifest", "show").report["resources"]) == ["/etc/b", "/etc/c"]


def test_what_two_failed_deploys_intended_is_still_an_orphan_of_the_third(host: Host) -> None:
    intend(host, "/etc/a")
    intend(host, "/etc/b")
    intend(host, "/etc/c")
    assert names(host.agent("manifest", "orphans").report["orphans"]) == ["/etc/a", "/etc/b"]


def test_the_same_intent_again_writes_nothing(host: Host) -> None:
    intend(host, "/etc/a")
    host.agent("manifest", "narrow")
    before = host.place("/var/lib/trunkline/manifest.json").stat()
    assert intend(host, "/etc/a").report["changed"] is False
    assert host.agent("manifest", "narrow").report["dropped"] == 0
    assert host.place("/var/lib/trunkline/manifest.json").stat().st_ino == before.st_ino


def test_the_same_name_of_another_kind_is_another_resource(host: Host) -> None:
    wanted = [resource("ssh", "unit"), resource("ssh", "package")]
    told = host.agent("manifest", "intend", stdin={"format": 1, "resources": wanted})
    assert told.report["resources"] == 2


def test_a_manifest_of_a_newer_release_is_refused_in_one_sentence_and_left_alone(host: Host) -> None:
    path = host.write("/var/lib/trunkline/manifest.json", '{"format": 2, "things": []}')
    refused = intend(host, "/etc/a")
    assert refused.code == 1
    assert refused.sentence == (
        "the manifest on this host has format 2, this release reads format 1: deploy with the newer release"
    )
    assert path.read_text() == '{"format": 2, "things": []}'
    assert refused.sentence in host.agent("state").report["problems"]


@pytest.mark.parametrize(
    "stdin",
    ["", "[]", '{"format":1}', '{"format":1,"resources":[{"kind":"cow","name":"x","service":"ssh"}]}'],
)
def test_an_intent_that_cannot_be_understood_changes_nothing(host: Host, stdin: str) -> None:
    intend(host, "/etc/a")
    before = host.text("/var/lib/trunkline/manifest.json")
    refused = host.agent("manifest", "intend", stdin=stdin)
    assert refused.code == 1
    assert refused.sentence
    assert host.text("/var/lib/trunkline/manifest.json") == before


def test_narrow_without_an_intent_is_refused(host: Host) -> None:
    assert host.agent("manifest", "narrow").code == 1


@pytest.mark.parametrize("step", range(1, 12))
def test_a_kill_at_any_step_leaves_the_old_manifest_or_the_union(host: Host, step: int) -> None:
    intend(host, "/etc/a")
    host.agent("manifest", "narrow")
    wanted = {"format": 1, "resources": [resource("/etc/b")]}
    host.killed_at(step, "manifest", "intend", stdin=wanted)
    assert names(host.agent("manifest", "show").report["resources"]) in (["/etc/a"], ["/etc/a", "/etc/b"])
    intend(host, "/etc/b")
    assert names(host.agent("manifest", "orphans").report["orphans"]) == ["/etc/a"]


def test_the_release_record_is_kept_whole_and_shown_by_state(host: Host) -> None:
    release = {"tag": "v1", "commit": "abc", "who": "alice"}
    assert host.agent("release", "record", stdin=release).report == {"recorded": True}
    assert host.agent("release", "show").report == {"release": release}
    assert host.agent("state").report["release"] == release
